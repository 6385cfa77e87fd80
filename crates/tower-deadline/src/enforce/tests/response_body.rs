//! The response body, to its end.

use super::*;
use crate::testing::{
    BUDGET, MS, call, data, error, is_at_end, over_http2, poll, poll_frame, ready as now_ready, trailers, within,
};
use crate::timer::tests::armed;
use crate::{BodyError, Exceeded, Stage};
use http_body::Body;
use http_body_util::BodyExt;
use std::error::Error;
use tokio::time::{advance, sleep};

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let service = streaming("text/plain", [Step::Data("some"), Step::Wait, Step::Data("more"), Step::Stall]);
    let mut body = now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body();
    assert_eq!(data(&mut body), "some");
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET - MS).await;
    assert_eq!(data(&mut body), "more");
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let BodyError::Exceeded(exceeded) = error(&mut body) else { panic!("another error") };
    assert_eq!((exceeded.stage(), exceeded.elapsed()), (Stage::ResponseBody, BUDGET));
}

// R11
#[tokio::test(start_paused = true)]
async fn a_frame_that_is_ready_at_the_very_instant_is_not_yielded() {
    for (spent, is_late) in [(BUDGET - MS, false), (BUDGET, true), (BUDGET + MS, true)] {
        let service = streaming("text/plain", [Step::Data("frame")]);
        let mut body = now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body();
        advance(spent).await;
        let frame = poll_frame(&mut body);
        assert_eq!(matches!(frame, std::task::Poll::Ready(Some(Err(_)))), is_late, "{frame:?}");
    }
}

// R14, R15
#[tokio::test(start_paused = true)]
async fn tells_its_error_once_and_drops_the_inner_body_at_once() {
    let inner = ScriptedBody::new([Step::Stall]);
    let probe = inner.probe();
    let inner = std::sync::Mutex::new(Some(inner));
    let service = EnforceLayer::new().layer(tower::service_fn(|_: Incoming| {
        ready(Outcome::Ok(Response::new(inner.lock().unwrap().take().unwrap())))
    }));
    let mut body = now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body();
    assert!(poll_frame(&mut body).is_pending());
    assert!(!probe.is_dropped());
    advance(BUDGET).await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
    assert!(probe.is_dropped());
    for _ in 0..2 {
        assert!(is_at_end(&mut body) && body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
    assert_eq!((probe.polls(), probe.polled_after_end()), (1, 0));
}

// R12
#[tokio::test(start_paused = true)]
async fn the_timer_of_the_head_is_handed_to_the_body() {
    let slow = |_: Incoming| async {
        sleep(100 * MS).await;
        Outcome::Ok(Response::new(ScriptedBody::new([Step::Data("some"), Step::Stall])))
    };
    let mut calling = call(&enforced(&Probe::default(), slow), within(BUDGET));
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(100 * MS).await;
    let mut body = now_ready(poll(calling.as_mut())).into_body();
    drop(calling);
    assert_eq!(armed(), 1);
    assert_eq!(data(&mut body), "some");
    assert!(poll_frame(&mut body).is_pending());
    assert_eq!(armed(), 1);
    advance(200 * MS).await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
    assert_eq!(armed(), 0, "disarmed after firing");
}

// R12
#[tokio::test(start_paused = true)]
async fn a_body_that_never_waits_arms_nothing() {
    let service = streaming("text/plain", [Step::Data("a"), Step::Data("b")]);
    let mut body = now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body();
    assert_eq!((data(&mut body), data(&mut body)), ("a".into(), "b".into()));
    assert_eq!(armed(), 0);
    assert!(is_at_end(&mut body));
}

/// Trailers are the end, though the body has not said so yet: neither an error nor a second status follows.
#[tokio::test(start_paused = true)]
async fn nothing_follows_the_trailers() {
    for content_type in ["application/grpc", "text/plain"] {
        let status = trailers("grpc-status", "0");
        let service = streaming(content_type, [Step::Data("message"), Step::Trailers(status)]);
        let mut body = now_ready(poll(call(&service, over_http2(within(BUDGET))).as_mut())).into_body();
        assert_eq!(data(&mut body), "message");
        assert!(matches!(poll_frame(&mut body), std::task::Poll::Ready(Some(Ok(frame))) if frame.is_trailers()));
        advance(BUDGET).await;
        assert!(is_at_end(&mut body) && is_at_end(&mut body), "{content_type}");
    }
}

/// A body that does not tell its end after its trailers.
#[tokio::test(start_paused = true)]
async fn nothing_follows_the_trailers_of_a_body_that_stalls_behind_them() {
    let service = streaming("application/grpc", [Step::Trailers(trailers("grpc-status", "0")), Step::Stall]);
    let mut body = now_ready(poll(call(&service, over_http2(within(BUDGET))).as_mut())).into_body();
    assert!(matches!(poll_frame(&mut body), std::task::Poll::Ready(Some(Ok(_)))));
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET).await;
    assert!(poll_frame(&mut body).is_pending());
}

#[tokio::test(start_paused = true)]
async fn wakes_its_task_at_the_deadline() {
    let start = crate::now();
    let service = streaming("text/plain", [Step::Stall]);
    let response = call(&service, within(BUDGET)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(crate::now() - start, BUDGET);
}

#[tokio::test(start_paused = true)]
async fn the_error_is_found_by_its_type() {
    let service = streaming("text/plain", [Step::Stall]);
    let body = call(&service, within(BUDGET)).await.unwrap().into_body();
    let error: crate::BoxError = body.collect().await.unwrap_err().into();
    assert_eq!(Exceeded::find(&*error).map(Exceeded::stage), Some(Stage::ResponseBody));
}

/// hyper chooses the code of the reset by an `h2::Error` in the chain of sources.
#[cfg(feature = "http2")]
#[tokio::test(start_paused = true)]
async fn the_error_tells_http2_to_cancel() {
    let service = streaming("text/plain", [Step::Stall]);
    let body = call(&service, within(BUDGET)).await.unwrap().into_body();
    let error = body.collect().await.unwrap_err();
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = next.filter(|error| !error.is::<h2::Error>()) {
        next = error.source();
    }
    let reset = next.and_then(|error| error.downcast_ref::<h2::Error>());
    assert_eq!(reset.and_then(h2::Error::reason), Some(h2::Reason::CANCEL));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_bodys_is_passed_on_with_its_type() {
    let service = streaming("text/plain", [Step::Error]);
    let mut body = now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body();
    let error = error(&mut body);
    assert!(error.source().is_some_and(|source| source.is::<ScriptedError>()));
    assert!(is_at_end(&mut body));
}
