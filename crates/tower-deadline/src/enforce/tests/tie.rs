//! R11: at the very instant a response is delivered as a whole, or not at all.

use super::*;
use crate::testing::{
    BUDGET, MS, call, data, error, exceeded, is_at_end, journey, poll, poll_frame, ready as now_ready, trailers, under,
};
use crate::timer::tests::armed;
use crate::{Cause, Covers, EnforcedBody, Policy, Stage, current};
use http::{Method, StatusCode};
use http_body::Body;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{advance, sleep};
use tower::service_fn;

/// What comes of a response that is ready when `spent` is spent of 300 ms.
async fn at(
    spent: Duration,
    request: Request<ScriptedBody>,
    response: Response<ScriptedBody>,
) -> Response<EnforcedBody<ScriptedBody>> {
    let response = Arc::new(Mutex::new(Some(response)));
    let service = EnforceLayer::new().layer(service_fn(move |_: Incoming| {
        let response = Arc::clone(&response);
        async move {
            sleep(spent).await;
            Outcome::Ok(response.lock().unwrap().take().unwrap())
        }
    }));
    let mut calling = call(&service, request);
    assert!(poll(calling.as_mut()).is_pending());
    advance(spent).await;
    now_ready(poll(calling.as_mut()))
}

fn covered() -> Request<ScriptedBody> {
    under(Policy::new(), true)
}

fn body(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    Response::new(ScriptedBody::new(steps))
}

#[track_caller]
fn is_late<B>(response: &Response<B>) {
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(exceeded(response).stage(), Stage::Handler);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_as_a_whole_is_delivered_as_a_whole() {
    let request = covered();
    let journey = journey(&request);
    let inner = ScriptedBody::new([Step::Data("one"), Step::Data("two")]).telling_end();
    let probe = inner.probe();
    let mut response = at(BUDGET, request, Response::new(inner)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.body_mut();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(6), false));
    // Whoever reads it may take as long as that takes.
    advance(10 * BUDGET).await;
    assert_eq!((data(body), body.size_hint().exact()), ("one".into(), Some(3)));
    assert_eq!((data(body), body.is_end_stream()), ("two".into(), true));
    assert!(is_at_end(body) && is_at_end(body));
    assert_eq!((journey.cause(), journey.is_ended(), probe.is_dropped()), (None, true, true));
    assert_eq!((probe.polls(), armed()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_as_a_whole_is_late() {
    for steps in [[Step::Stall, Step::Stall], [Step::Data("some"), Step::Wait], [Step::Data("some"), Step::Error]] {
        let request = covered();
        let journey = journey(&request);
        let inner = ScriptedBody::new(steps);
        let probe = inner.probe();
        let response = at(BUDGET, request, Response::new(inner)).await;
        is_late(&response);
        assert!(probe.is_dropped() && response.body().is_end_stream());
        assert_eq!((journey.cause(), armed()), (Some(Cause::Deadline), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn just_before_the_instant_a_head_is_delivered_without_its_body() {
    let mut response = at(BUDGET - MS, covered(), body([Step::Data("some"), Step::Stall])).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(data(response.body_mut()), "some");
    assert!(poll_frame(response.body_mut()).is_pending());
    advance(MS).await;
    error(response.body_mut());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_always_ready_is_late() {
    assert_eq!(at(BUDGET, covered(), body(vec![Step::Data("frame"); 32])).await.status(), StatusCode::OK);
    is_late(&at(BUDGET, covered(), body(vec![Step::Data("frame"); 33])).await);
}

/// An exact size would become a Content-Length, and HTTP/1.1 has no trailers behind one.
#[tokio::test(start_paused = true)]
async fn trailers_are_part_of_the_whole_and_can_still_be_sent() {
    let status = trailers("grpc-status", "0");
    let steps = [Step::Data("message"), Step::Trailers(status.clone())];
    let mut response = at(BUDGET, covered(), body(steps)).await;
    let body = response.body_mut();
    assert_eq!((body.size_hint().lower(), body.size_hint().exact()), (7, None));
    assert_eq!((data(body), body.is_end_stream()), ("message".into(), false));
    match poll_frame(body) {
        std::task::Poll::Ready(Some(Ok(frame))) => assert_eq!(frame.into_trailers().ok(), Some(status)),
        other => panic!("{other:?}"),
    }
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_head_without_a_body_is_whole() {
    let mut head = covered();
    *head.method_mut() = Method::HEAD;
    assert_eq!(at(BUDGET, head, body([Step::Stall])).await.status(), StatusCode::OK);
    let mut nothing = body([Step::Stall]);
    *nothing.status_mut() = StatusCode::NO_CONTENT;
    assert_eq!(at(BUDGET, covered(), nothing).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_covered_need_not_be_ready() {
    let request = under(Policy::new().covers(Covers::Head), false);
    let mut response = at(BUDGET, request, body([Step::Wait, Step::Data("late")])).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(poll_frame(response.body_mut()).is_pending());
    assert_eq!(data(response.body_mut()), "late");
}

#[tokio::test(start_paused = true)]
async fn the_body_is_polled_and_dropped_under_its_deadline() {
    let request = covered();
    let deadline = request.extensions().get().copied();
    let inner = ScriptedBody::new([Step::Data("whole")]);
    let probe = inner.probe();
    let response = at(BUDGET, request, Response::new(inner)).await;
    assert_eq!((probe.deadline_at_poll(), probe.deadline_at_drop()), (deadline, deadline));
    assert_eq!(current(), None);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_the_whole_unread_is_no_cause() {
    let request = covered();
    let journey = journey(&request);
    drop(at(BUDGET, request, body([Step::Data("unread")])).await);
    assert_eq!(journey.cause(), None);
}
