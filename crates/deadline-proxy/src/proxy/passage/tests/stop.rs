//! What is under way when everything is stopped, at each point where it can be.

use super::*;
use deadline_testkit::{Contract, InnerService, assert_body_passes};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use std::error::Error;
use std::future::pending;
use std::iter::successors;
use tokio::time::advance;
use tower::util::{MapErr, MapResponse};
use tower::{ServiceExt, service_fn};
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
use tower_deadline::{Cause, Deadline, Exceeded, Journey};

fn layer(shutdown: &Shutdown) -> PassageLayer {
    PassageLayer::new(steps(shutdown))
}

/// What is said to a request that nobody answers, stopped after a second.
async fn unanswered(request: Request<Empty<Bytes>>) -> Response<Bytes> {
    let shutdown = Shutdown::new();
    let service =
        layer(&shutdown).layer(service_fn(async |_| pending::<Result<Response<Scripted>, PropagateError>>().await));
    let mut asked = Box::pin(service.oneshot(request));
    assert!((&mut asked).now_or_never().is_none());
    advance(SECOND).await;
    shutdown.begin();
    let (head, body) = asked.await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test(start_paused = true)]
async fn before_its_head_a_request_is_told_whether_or_not_it_has_a_deadline() {
    let deadline = Deadline::after(now(), 3 * SECOND);
    for (granted, origin, budget) in [(Some(deadline), "code", 3_000), (None, "code", 1_000)] {
        let mut request = request("text/plain", Version::HTTP_11);
        let journey = Journey::new(Arc::new(Policy::new()), true);
        let _upstream = journey.enter(Stage::Upstream);
        if let Some(granted) = granted {
            request.extensions_mut().insert(granted);
            request.extensions_mut().insert(journey.clone());
        }
        let answer = unanswered(request).await;
        let stage = if granted.is_some() { "upstream" } else { "handler" };
        assert_eq!(answer.status(), 503);
        let trail = format!("origin={origin}, stage={stage}, cause=shutdown, hop=\"edge\"");
        assert_eq!(answer.headers()[&DEADLINE_EXCEEDED], trail);
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let told = ["cause", "stage"].map(|key| document[key].as_str().unwrap().to_owned());
        assert_eq!(told, ["shutdown", stage]);
        assert_eq!((document["budget_ms"].as_u64(), document["status"].as_u64()), (Some(budget), Some(503)));
        assert_eq!(journey.cause(), granted.map(|_| Cause::Shutdown));
    }
}

#[tokio::test(start_paused = true)]
async fn before_its_head_a_call_is_told_in_the_words_of_its_protocol() {
    for kind in ["application/grpc", "application/grpc-web+proto", "application/grpc-web-text"] {
        let answer = unanswered(request(kind, Version::HTTP_2)).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &HeaderValue::from(14)),
            "{kind}"
        );
    }
    let answer = unanswered(request("application/connect+json", Version::HTTP_11)).await;
    let told = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(answer.status() == 200 && told.contains(r#""code":"unavailable""#), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_exchange_is_let_go_before_the_client_is_told() {
    let shutdown = Shutdown::new();
    let probe = deadline_testkit::Probe::default();
    let inner = probe.clone();
    let silent = service_fn(move |_: Request<PassedBody<Empty<Bytes>>>| {
        inner.watch(pending::<Result<Response<Scripted>, PropagateError>>())
    });
    let service = layer(&shutdown).layer(silent);
    let mut asked = Box::pin(service.clone().oneshot(request("", Version::HTTP_11)));
    assert!((&mut asked).now_or_never().is_none() && probe.held() == 1);
    shutdown.begin();
    let answer = (&mut asked).now_or_never().unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), probe.held(), probe.dropped()), (503, 0, 1));
    // One that comes now is not called at all.
    let answer = service.oneshot(request("", Version::HTTP_11)).now_or_never().unwrap().unwrap();
    let exceeded = answer.extensions().get::<Exceeded>().unwrap();
    assert_eq!((exceeded.stage(), exceeded.cause(), probe.called()), (Stage::Arrival, Cause::Shutdown, 1));
}

/// The frames of a body that is stopped after its first one, and what it was.
async fn stopped(kind: &'static str, version: Version, steps: Vec<Step>) -> (Vec<u8>, End, BodyProbe) {
    let (shutdown, (inner, probe)) = (Shutdown::new(), body(steps));
    let answer = Response::builder().header("content-type", kind).body(inner).unwrap();
    let mut answers = Some(answer);
    let service = layer(&shutdown).layer(service_fn(move |_| {
        let answer = answers.take().unwrap();
        async { Ok::<_, PropagateError>(answer) }
    }));
    let body = service.oneshot(request(kind, version)).await.unwrap();
    let mut body = Box::pin(body.into_body());
    let mut data = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    shutdown.begin();
    let end = loop {
        match body.frame().now_or_never().expect("it is stopped") {
            None => break End::Whole,
            Some(Err(error)) => break End::Broken(error),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(more) => data.extend(more),
                Err(trailers) => break End::Trailers(trailers.into_trailers().unwrap()),
            },
        }
    };
    assert!(body.frame().now_or_never().is_some_and(|frame| frame.is_none()), "one error, and then the end (R14)");
    (data, end, probe)
}

#[derive(Debug)]
enum End {
    Whole,
    Broken(BodyError),
    Trailers(HeaderMap),
}

// R13
#[tokio::test(start_paused = true)]
async fn after_its_head_a_message_is_broken_off() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for then in [Step::Stall, Step::Data("b")] {
            let (data, end, probe) = stopped("text/plain", version, vec![Step::Data("a"), then, Step::Stall]).await;
            let End::Broken(error) = end else { panic!("{end:?}") };
            assert_eq!((data, Exceeded::find(&error).unwrap().cause()), (b"a".to_vec(), Cause::Shutdown));
            let mut chain = successors(Some(&error as &dyn Error), |error| (*error).source());
            let reset = chain.find_map(|error| error.downcast_ref::<h2::Error>()).unwrap();
            assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
            assert!(probe.is_dropped());
        }
    }
}

// R13, R36
#[tokio::test(start_paused = true)]
async fn after_its_head_a_call_is_ended_in_the_words_of_its_protocol() {
    const MESSAGE: &str = "\0\0\0\0\x05hello";
    let steps = || vec![Step::Data(MESSAGE), Step::Stall];
    let (data, end, _) = stopped("application/grpc", Version::HTTP_2, steps()).await;
    let End::Trailers(trailers) = end else { panic!("{end:?}") };
    assert_eq!((data, trailers["grpc-status"].as_bytes()), (MESSAGE.as_bytes().to_vec(), &b"14"[..]));
    for (kind, word) in [("application/grpc-web+proto", "grpc-status: 14"), ("application/connect+json", "unavailable")]
    {
        let (data, end, _) = stopped(kind, Version::HTTP_11, steps()).await;
        let told = String::from_utf8_lossy(&data).into_owned();
        assert!(matches!(end, End::Whole) && told.contains(word), "{told:?}, {end:?}");
        // Within a message, nobody would find it.
        let half = vec![Step::Data("\0\0\0\0\x05hel"), Step::Stall];
        assert!(matches!(stopped(kind, Version::HTTP_11, half).await.1, End::Broken(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_to_its_last_frame_is_delivered() {
    let trailers = HeaderMap::from_iter([("a".parse().unwrap(), HeaderValue::from_static("b"))]);
    let (data, end, _) = stopped("text/plain", Version::HTTP_11, vec![Step::Data("a")]).await;
    assert!(data == b"a" && matches!(end, End::Whole), "{end:?}");
    let (_, end, _) = stopped("text/plain", Version::HTTP_2, vec![Step::Data("a"), Step::Trailers(trailers)]).await;
    assert!(matches!(end, End::Trailers(_)), "{end:?}");
}

#[tokio::test]
async fn the_layer_keeps_to_the_contract_of_tower() {
    let ours = |inner: InnerService| {
        let failing = |body: ScriptedBody| body.map_err(|error| BodyError::Inner(error.into()));
        let failing = move |answer: Response<ScriptedBody>| answer.map(failing);
        let inner = MapErr::new(MapResponse::new(inner, failing), |error| PropagateError::Inner(Box::new(error)));
        layer(&Shutdown::new()).layer(inner)
    };
    Contract::of(ours, || request("", Version::HTTP_11)).assert_all();
}

// R14
#[tokio::test]
async fn a_body_passes_exactly() {
    let lookout = Lookout::new(Shutdown::new());
    let pass = |inner: ScriptedBody| {
        let answer = Response::new(inner.map_err(|error| BodyError::Inner(error.into())));
        let status = Status::of(&answer, Version::HTTP_2);
        let body = AnswerBody::Inner(answer.into_body());
        let asked = PassageBody::asked(&lookout, Stoppable::new(&Default::default(), None), None);
        asked.answered(Answer { body, status, named: Vec::new(), _room: None });
        asked
    };
    assert_body_passes(pass);
    assert_body_passes(|inner| PassedBody::new(inner, None, Vec::new()));
}
