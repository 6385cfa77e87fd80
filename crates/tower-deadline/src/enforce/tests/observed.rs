//! An observing policy never answers, aborts or withholds.

use super::*;
use crate::testing::{BUDGET, MS, call, data, journey, poll, poll_frame, ready as now_ready, under};
use crate::timer::tests::armed;
use crate::{Deadline, Mode, Policy, current, now, scope};
use tokio::time::{advance, sleep};

fn observed() -> Request<ScriptedBody> {
    under(Policy::new().mode(Mode::Observe), true)
}

#[tokio::test(start_paused = true)]
async fn a_late_arrival_is_served() {
    let request = observed();
    advance(BUDGET).await;
    assert!(now_ready(poll(call(&enforced(&Probe::default(), prompt), request).as_mut())).status().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_late_head_and_a_late_body_are_delivered() {
    let slow = |_: Incoming| async {
        sleep(2 * BUDGET).await;
        Outcome::Ok(crate::testing::response("text/plain", [Step::Wait, Step::Data("late")]))
    };
    let request = observed();
    let journey = journey(&request);
    let mut calling = call(&enforced(&Probe::default(), slow), request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 0);
    advance(2 * BUDGET).await;
    let mut body = now_ready(poll(calling.as_mut())).into_body();
    assert!(poll_frame(&mut body).is_pending());
    assert_eq!(data(&mut body), "late");
    assert_eq!(journey.cause(), None);
}

#[tokio::test(start_paused = true)]
async fn a_late_request_body_is_read() {
    let reading = |request: Incoming| async {
        let body = http_body_util::BodyExt::collect(request.into_body()).await.map_err(|_| ScriptedError)?;
        assert_eq!(body.to_bytes(), "late");
        Outcome::Ok(Response::new(ScriptedBody::full("read")))
    };
    let mut request = observed();
    *request.body_mut() = ScriptedBody::new([Step::Wait, Step::Data("late")]);
    let mut calling = call(&enforced(&Probe::default(), reading), request);
    assert!(poll(calling.as_mut()).is_pending());
    advance(2 * BUDGET).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_all_the_same() {
    let handler = |request: Incoming| {
        assert!(current().is_some());
        prompt(request)
    };
    now_ready(poll(call(&enforced(&Probe::default(), handler), observed()).as_mut()));
}

/// What is observed is only looked at; what the code itself asks for is kept.
#[tokio::test(start_paused = true)]
async fn a_scope_ends_at_its_own_deadline_and_not_at_the_observed_one() {
    let scoping = |_: Incoming| async {
        let deadline = Deadline::after(now(), 2 * BUDGET);
        assert!(scope(deadline, pending::<()>()).await.is_err());
        Outcome::Ok(Response::new(ScriptedBody::full("")))
    };
    let mut calling = call(&enforced(&Probe::default(), scoping), observed());
    assert!(poll(calling.as_mut()).is_pending());
    advance(2 * BUDGET - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
}
