//! R10: expired on arrival.

use super::*;
use crate::testing::{MS, call, exceeded, journey, poll, ready as now_ready, stage, under, within};
use crate::{Policy, Stage, now};
use http::StatusCode;
use http_deadline::{Cause, Deadline};
use std::time::Duration;
use tokio::time::advance;
use tower::{Service, ServiceExt};

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_too_late_is_answered_without_a_call() {
    for late in [Duration::ZERO, MS] {
        let (probe, request) = (Probe::default(), within(10 * MS));
        advance(10 * MS + late).await;
        let response = now_ready(poll(call(&enforced(&probe, prompt), request).as_mut()));
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let exceeded = exceeded(&response);
        assert_eq!((exceeded.stage(), exceeded.cause()), (Stage::Arrival, Cause::Deadline));
        assert_eq!((exceeded.budget(), exceeded.elapsed()), (10 * MS, 10 * MS + late));
        assert_eq!(probe.called(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_just_in_time_is_served() {
    let (probe, request) = (Probe::default(), within(10 * MS));
    advance(9 * MS).await;
    let response = now_ready(poll(call(&enforced(&probe, prompt), request).as_mut()));
    assert_eq!((response.status(), probe.called()), (StatusCode::OK, 1));
}

#[tokio::test(start_paused = true)]
async fn is_told_apart_from_waiting_also_where_the_service_is_not_ready() {
    let probe = Probe::default();
    let service = behind(&Gate::closed(), &probe, prompt);
    assert_eq!(stage(poll(call(&service, within(Duration::ZERO)).as_mut())), Stage::Arrival);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_down_after_the_deadline_is_not_asked() {
    let gate = Gate::closed();
    let service = behind(&gate, &Probe::default(), prompt);
    let mut response = call(&service, within(MS));
    assert!(poll(response.as_mut()).is_pending());
    advance(MS).await;
    gate.break_down();
    assert_eq!(stage(poll(response.as_mut())), Stage::Queue);
}

#[tokio::test(start_paused = true)]
async fn a_readiness_that_was_not_used_is_given_back() {
    let mut service = enforced(&Probe::default(), prompt);
    service.ready().await.unwrap();
    assert_eq!(stage(poll(Box::pin(service.call(within(Duration::ZERO))).as_mut())), Stage::Arrival);
    assert!(service.ready().await.unwrap().call(within(MS)).await.unwrap().status().is_success());
}

#[tokio::test(start_paused = true)]
async fn the_answer_has_the_policys_status_and_is_empty() {
    let policy = Policy::new().status(StatusCode::IM_A_TEAPOT);
    let mut request = under(policy, true);
    request.extensions_mut().insert(Deadline::after(now(), Duration::ZERO));
    let journey = journey(&request);
    let response = now_ready(poll(call(&enforced(&Probe::default(), prompt), request).as_mut()));
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(http_body::Body::is_end_stream(response.body()));
    assert_eq!(journey.cause(), Some(Cause::Deadline));
    assert!(journey.is_ended());
}
