//! What comes back.

use super::*;
use crate::testing::{poll_frame, trailers};
use crate::{BodyError, Cause, OriginKind, Stage};
use deadline_testkit::Step;
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt;
use http_deadline::dialect::GRPC_STATUS;
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use tokio::time::advance;

/// The head that a server answered with these fields, as the caller gets it.
async fn answered(status: u16, headers: HeaderMap) -> Response {
    let mut answer = ok();
    *answer.status_mut() = status.try_into().unwrap();
    *answer.headers_mut() = headers;
    Server::default().then(0, answer).call(300).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_body_ends_at_the_deadline_and_not_before() {
    let body = ScriptedBody::new([Step::Data("first"), Step::Stall]);
    let probe = body.probe();
    let response = Server::default().then(100, Head::new(body)).call(300).await.unwrap();
    let mut body = Body::from(response);
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "first");
    assert!(poll_frame(&mut body).is_pending());
    advance(199 * MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let error = body.frame().await.unwrap().unwrap_err();
    let found = Exceeded::find(&error).expect("the deadline");
    assert_eq!((found.stage(), found.elapsed()), (Stage::Upstream, 300 * MS));
    assert_eq!(LimitReached::find(&error).map(|reached| reached.limit()), Some(Limit::Total));
    assert!(probe.is_dropped() && body.frame().await.is_none(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_falls_silent_is_left_at_the_limit_of_a_read() {
    let answer = Head::new(ScriptedBody::new([Step::Data("first"), Step::Stall]));
    let builder = PropagateLayer::new().reqwest().read_timeout(100 * MS);
    let mut response = Server::default().then(0, answer).calls(builder, get(), &within(300)).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    let started = now();
    let error = response.chunk().await.unwrap_err();
    let reached = LimitReached::find(&error).expect("a limit");
    assert_eq!((reached.limit(), reached.length(), now() - started), (Limit::Read, 100 * MS, 100 * MS));
}

// R14
#[tokio::test(start_paused = true)]
async fn a_body_is_passed_on_exactly() {
    let sent = trailers("checksum", "5");
    let steps = [Step::Data("first"), Step::Data("second"), Step::Trailers(sent.clone())];
    let answer = Head::new(ScriptedBody::new(steps).telling_size());
    let response = Server::default().then(0, answer).call(300).await.unwrap();
    assert_eq!(response.content_length(), Some(11));
    let collected = Body::from(response).collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&sent));
    assert_eq!(collected.to_bytes(), "firstsecond");
    let empty = Server::default().then(0, Head::new(ScriptedBody::full(""))).call(300).await.unwrap();
    assert!(Body::from(empty).is_end_stream());
    let broken = Head::new(ScriptedBody::new([Step::Error]));
    let broken = Server::default().then(0, broken).call(300).await.unwrap().bytes().await.unwrap_err();
    let chain = std::iter::successors(Some(&broken as &dyn std::error::Error), |&error| error.source());
    let reasons: Vec<_> = chain.filter_map(|error| error.downcast_ref::<BodyError>()).collect();
    assert!(matches!(reasons[..], [BodyError::Inner(_)]), "{broken:?}");
}

// R9
#[tokio::test(start_paused = true)]
async fn what_a_response_carries_stays_but_for_deadline_fields_of_requests() {
    let mut answer = ok();
    answer.extensions_mut().insert("extension");
    for name in Dialect::ALL.map(Dialect::as_str).into_iter().chain(["x-request-id"]) {
        answer.headers_mut().insert(name, "7".parse().unwrap());
    }
    let response = Server::default().then(0, answer).call(300).await.unwrap();
    assert_eq!(response.headers().keys().collect::<Vec<_>>(), ["x-request-id"]);
    assert_eq!((response.url().as_str(), response.extensions().get()), (HOME, Some(&"extension")));
}

// R23
#[tokio::test(start_paused = true)]
async fn a_hop_that_stopped_at_our_deadline_is_told_from_one_that_failed() {
    let trail = |origin| {
        let trail = Trail::new(origin, Stage::Handler, Cause::Deadline, None).to_string();
        HeaderMap::from_iter([(DEADLINE_EXCEEDED.clone(), trail.parse().unwrap())])
    };
    let grpc = HeaderMap::from_iter([(GRPC_STATUS.clone(), http::HeaderValue::from_static("4"))]);
    let ours = |response: Response| response.extensions().get::<Exceeded>().map(Exceeded::stage);
    assert_eq!(ours(answered(504, trail(OriginKind::Header)).await), Some(Stage::Upstream));
    assert_eq!(ours(answered(504, trail(OriginKind::Policy)).await), None);
    assert_eq!(ours(answered(504, HeaderMap::new()).await), None);
    assert_eq!(ours(answered(200, grpc).await), None, "before the deadline nobody knows whose it was");
}

// R23
#[tokio::test(start_paused = true)]
async fn another_origin_is_not_believed_that_it_kept_a_deadline_it_was_not_sent() {
    let trail = Trail::new(OriginKind::Header, Stage::Handler, Cause::Deadline, None).to_string();
    let forged =
        || Head::builder().status(504).header(&DEADLINE_EXCEEDED, &trail).body(ScriptedBody::full("")).unwrap();
    let (home, other) = ("http://shop.example/moved", "http://other.example/");
    for (way, after, ours) in [
        (&[home][..], 0, true),
        (&[other], 0, false),
        (&[other, home], 0, true),
        // It was not told, but nobody else has waited so long.
        (&[other], 300, true),
    ] {
        let server = way.iter().fold(Server::default(), |server, next| server.then(0, to(next)));
        let response = server.then(after, forged()).call(300).await.unwrap();
        let exceeded = response.extensions().get::<Exceeded>();
        assert_eq!(exceeded.is_some(), ours, "{way:?}, {after}");
        let is_told = way.last() == Some(&home);
        assert_eq!(
            exceeded.and_then(Exceeded::trail).is_some(),
            is_told,
            "{way:?}: nobody but who was sent it can tell"
        );
        assert_eq!(response.headers()[&DEADLINE_EXCEEDED], trail, "passed on as it is");
    }
}

// R24
#[tokio::test(start_paused = true)]
async fn a_cancelled_of_grpc_after_our_deadline_is_an_exceeded() {
    let mut answer = ok();
    answer.headers_mut().insert(GRPC_STATUS.clone(), "1".parse().unwrap());
    answer.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let response = Server::default().then(300, answer).call(300).await.unwrap();
    assert_eq!(response.headers()[&GRPC_STATUS], "4");
    assert!(response.extensions().get::<Exceeded>().is_some());
}
