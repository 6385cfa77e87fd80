//! The handler's own work, to the response head.

use super::*;
use crate::testing::{BUDGET, MS, call, exceeded, journey, plain, poll, ready as now_ready, stage, under, within};
use crate::timer::tests::armed;
use crate::{Policy, Stage};
use http::StatusCode;
use http_deadline::Cause;
use tokio::time::{advance, sleep};

async fn slow(_: Incoming) -> Outcome {
    sleep(BUDGET).await;
    Ok(Response::new(ScriptedBody::full("late")))
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let probe = Probe::default();
    let mut calling = call(&enforced(&probe, silent), within(BUDGET));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(probe.in_flight(), 1);
    advance(MS).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let exceeded = exceeded(&response);
    assert_eq!((exceeded.stage(), exceeded.elapsed()), (Stage::Handler, BUDGET));
    // The inner future is gone before this one is dropped (R15).
    assert_eq!((probe.in_flight(), probe.dropped()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_poll_long_after_the_deadline_ends_too() {
    let mut calling = call(&enforced(&Probe::default(), silent), within(BUDGET));
    assert!(poll(calling.as_mut()).is_pending());
    advance(10 * BUDGET).await;
    assert_eq!(stage(poll(calling.as_mut())), Stage::Handler);
}

// R11
#[tokio::test(start_paused = true)]
async fn a_head_that_is_ready_at_the_very_instant_is_delivered() {
    let request = under(Policy::new(), false);
    let journey = journey(&request);
    let mut calling = call(&enforced(&Probe::default(), slow), request);
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.extensions().get::<crate::Exceeded>().is_none(), "never both");
    assert_eq!(journey.cause(), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_handlers_passes_also_at_the_very_instant() {
    let failing = |_: Incoming| async {
        sleep(BUDGET).await;
        Outcome::Err(ScriptedError)
    };
    let mut calling = call(&enforced(&Probe::default(), failing), within(BUDGET));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(matches!(poll(calling.as_mut()), std::task::Poll::Ready(Err(ScriptedError))));
}

#[tokio::test(start_paused = true)]
async fn the_stage_reported_is_the_last_one_that_is_open() {
    let busy = |request: Incoming| async move {
        let journey = journey(&request);
        drop(journey.enter(Stage::Pool));
        let _database = journey.enter(Stage::Database);
        pending::<Outcome>().await
    };
    let mut calling = call(&enforced(&Probe::default(), busy), within(BUDGET));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert_eq!(stage(poll(calling.as_mut())), Stage::Database);
}

// R12
#[tokio::test(start_paused = true)]
async fn nothing_is_armed_for_a_service_that_answers_at_once() {
    let response = now_ready(poll(call(&enforced(&Probe::default(), prompt), within(BUDGET)).as_mut()));
    assert_eq!(armed(), 0);
    drop(response);
}

// R12
#[tokio::test(start_paused = true)]
async fn one_timer_is_armed_while_it_waits_and_none_after_it_fired() {
    let mut calling = call(&enforced(&Probe::default(), silent), within(BUDGET));
    for _ in 0..3 {
        assert!(poll(calling.as_mut()).is_pending());
        assert_eq!(armed(), 1);
    }
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(armed(), 0);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_nothing_is_armed_and_nothing_ends() {
    let mut calling = call(&enforced(&Probe::default(), slow), plain());
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 0);
    advance(BUDGET).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
}

/// The timer wakes the task: nobody polls here by hand.
#[tokio::test(start_paused = true)]
async fn wakes_its_task_at_the_deadline() {
    let start = crate::now();
    let response = call(&enforced(&Probe::default(), silent), within(BUDGET)).await.unwrap();
    assert_eq!(exceeded(&response).cause(), Cause::Deadline);
    assert_eq!(crate::now() - start, BUDGET);
}
