//! A call of gRPC is told of its deadline in gRPC's own words (R13, R24).

use super::*;
use crate::testing::{data, is_at_end, poll, poll_frame, ready as now_ready, response, trailers};
use crate::{Exceeded, PropagateError, Stage, WatchedBody};
use deadline_testkit::Step;
use http_deadline::OnMissing;
use std::future::pending;
use std::task::Poll;
use tokio::time::{advance, sleep};

const BUDGET: u32 = 300;
const TRAIL: &str = "origin=code, stage=upstream, cause=deadline";

fn grpc(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

/// The head that says so, and its reason.
#[track_caller]
fn told(head: &Response<WatchedBody<ScriptedBody>>) -> Stage {
    assert_eq!(
        (&head.headers()["content-type"], &head.headers()["grpc-status"]),
        (&"application/grpc".parse().unwrap(), &"4".parse().unwrap())
    );
    assert!(http_body::Body::is_end_stream(head.body()));
    head.extensions().get::<Exceeded>().unwrap().stage()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_stopped_before_its_head_is_answered_with_a_status() {
    let mut client = PropagateLayer::new().layer(tower::service_fn(|_| pending::<Outcome>()));
    let mut calling = send(&mut client, grpc(within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    advance((BUDGET - 1) * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let head = now_ready(poll(calling.as_mut()));
    assert_eq!(told(&head), Stage::Upstream);
    assert_eq!(head.headers()["deadline-exceeded"], TRAIL);
    assert_eq!(head.headers()["grpc-message"], "deadline of 300 ms exceeded in stage upstream");
}

// R16
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_sent_is_answered_with_a_status_and_one_without_a_deadline_with_an_error() {
    let mut upstream = upstream(&PropagateLayer::new().on_missing(OnMissing::Reject));
    let head = now_ready(poll(send(&mut upstream.client, grpc(within(0))).as_mut()));
    assert_eq!((told(&head), upstream.probe.called()), (Stage::Unsent, 0));
    let missing = poll(send(&mut upstream.client, grpc(Request::new(()))).as_mut());
    assert!(matches!(missing, Poll::Ready(Err(PropagateError::Missing { .. }))));
}

/// As tonic's channel does, which keeps the field itself.
#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_at_the_deadline_has_exceeded_it_and_one_that_fails_sooner_has_failed() {
    for (after, exceeded) in [(BUDGET - 2, false), (BUDGET - 1, true), (BUDGET, true)] {
        let fail = move |_| async move {
            sleep(after * MS).await;
            Outcome::Err(ScriptedError)
        };
        let mut client = PropagateLayer::new().layer(tower::service_fn(fail));
        let mut calling = send(&mut client, grpc(within(BUDGET)));
        assert!(poll(calling.as_mut()).is_pending());
        advance(after * MS).await;
        match (calling.await, exceeded) {
            (Ok(head), true) => assert_eq!(told(&head), Stage::Upstream),
            (Err(PropagateError::Inner(_)), false) => {}
            (other, _) => panic!("after {after} ms: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_call_that_fails_at_the_deadline_has_failed() {
    let fail = |_| async {
        sleep(BUDGET * MS).await;
        Outcome::Err(ScriptedError)
    };
    let mut client = PropagateLayer::new().layer(tower::service_fn(fail));
    let outcome = send(&mut client, within(BUDGET)).await;
    assert!(matches!(outcome, Err(PropagateError::Inner(_))), "{outcome:?}");
}

/// A response of gRPC.
fn over_http2(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    let mut response = response("application/grpc", steps);
    *response.version_mut() = http::Version::HTTP_2;
    response
}

/// The response of a call that streams these steps.
async fn streaming(steps: impl IntoIterator<Item = Step> + Clone + Send + 'static) -> WatchedBody<ScriptedBody> {
    let mut upstream = answering(&PropagateLayer::new(), move || over_http2(steps.clone()));
    send(&mut upstream.client, grpc(within(BUDGET))).await.unwrap().into_body()
}

#[track_caller]
fn status(body: &mut WatchedBody<ScriptedBody>) -> HeaderMap {
    match poll_frame(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_trailers().unwrap(),
        other => panic!("no trailers: {other:?}"),
    }
}

// R13
#[tokio::test(start_paused = true)]
async fn a_stalled_stream_ends_with_a_status_at_the_deadline_and_not_before() {
    let mut body = streaming([Step::Data("\0\0\0\0\x05hel"), Step::Stall]).await;
    data(&mut body);
    advance((BUDGET - 1) * MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let trailers = status(&mut body);
    assert_eq!(
        (&trailers["grpc-status"], &trailers["deadline-exceeded"]),
        (&"4".parse().unwrap(), &TRAIL.parse().unwrap())
    );
    assert!(is_at_end(&mut body));
}

// R24
#[tokio::test(start_paused = true)]
async fn what_the_other_side_made_of_the_deadline_is_corrected_and_nothing_else() {
    let cancelled = [Step::Trailers(trailers("grpc-status", "1"))];
    let (reset, refused) = ([Step::Error], [Step::Trailers(trailers("grpc-status", "7"))]);
    for (after, ends) in [(BUDGET - 2, "1"), (BUDGET - 1, "4")] {
        let (mut cancelled, mut refused, mut reset) =
            (streaming(cancelled.clone()).await, streaming(refused.clone()).await, streaming(reset.clone()).await);
        advance(after * MS).await;
        assert_eq!(status(&mut cancelled)["grpc-status"], ends);
        assert_eq!(status(&mut refused)["grpc-status"], "7");
        let early = ends == "1";
        if !early {
            assert_eq!(status(&mut reset)["grpc-status"], "4");
        } else {
            assert!(matches!(poll_frame(&mut reset), Poll::Ready(Some(Err(_)))));
        }
        assert!(is_at_end(&mut reset));
    }
}

// R13
#[tokio::test(start_paused = true)]
async fn over_http1_a_body_that_breaks_off_is_an_error() {
    let mut upstream = answering(&PropagateLayer::new(), || {
        let mut head = response("application/grpc", [Step::Data("hal"), Step::Stall]);
        *head.version_mut() = http::Version::HTTP_11;
        head
    });
    let mut body = send(&mut upstream.client, grpc(within(300))).await.unwrap().into_body();
    data(&mut body);
    advance(BUDGET * MS).await;
    let frame = poll_frame(&mut body);
    assert!(matches!(frame, Poll::Ready(Some(Err(_)))), "{frame:?}");
}

/// Above 27 hours the field has whole seconds.
#[tokio::test(start_paused = true)]
async fn what_was_told_has_passed_when_the_hop_says_so() {
    let budget = std::time::Duration::from_millis(100_000_900);
    let mut client = PropagateLayer::new().layer(tower::service_fn(|request: Request<()>| async move {
        assert_eq!(request.headers()["grpc-timeout"], "100000S");
        sleep(std::time::Duration::from_secs(100_000)).await;
        Outcome::Err(ScriptedError)
    }));
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), budget));
    let outcome = send(&mut client, grpc(request)).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// In the time that is reserved tonic's own timer has fired, but a connection may be refused, too.
#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_within_the_reserve_has_failed_and_a_cancelled_call_is_late() {
    for (refused, spent, exceeded) in [(true, 210, false), (true, 300, true), (false, 210, true), (false, 190, false)] {
        let fail = move |_: Request<()>| async move {
            sleep(spent * MS).await;
            let error: crate::BoxError =
                if refused { std::io::Error::other("refused").into() } else { "cancelled".into() };
            Err::<Response<ScriptedBody>, _>(error)
        };
        let mut client = PropagateLayer::new().layer(tower::service_fn(fail));
        let mut request = grpc(within(BUDGET));
        // Half of it is for the way back, so that nothing here stops the call before it fails.
        request.extensions_mut().insert(journey(Policy::new().reserve(100 * MS)));
        let mut calling = send(&mut client, request);
        assert!(poll(calling.as_mut()).is_pending());
        advance(spent * MS).await;
        assert_eq!(calling.await.is_ok(), exceeded, "refused: {refused}, after {spent} ms");
    }
}

// R21
#[tokio::test(start_paused = true)]
async fn the_timeout_that_a_caller_set_on_a_call_of_grpc_counts_too() {
    for (asked, carried, sent) in [("100m", 300, "100000u"), ("9S", 300, "300000u")] {
        let mut upstream = upstream(&PropagateLayer::new());
        let mut request = grpc(within(carried));
        request.headers_mut().insert("grpc-timeout", asked.parse().unwrap());
        now_ready(poll(send(&mut upstream.client, request).as_mut()));
        assert_eq!(upstream.sent()["grpc-timeout"], sent);
    }
    let mut client = PropagateLayer::new().layer(tower::service_fn(|_| pending::<Outcome>()));
    let mut alone = grpc(Request::new(()));
    alone.headers_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let mut calling = send(&mut client, alone);
    assert!(poll(calling.as_mut()).is_pending());
    advance(99 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let head = now_ready(poll(calling.as_mut()));
    assert_eq!(head.headers()["deadline-exceeded"], "origin=header, stage=upstream, cause=deadline");
}
