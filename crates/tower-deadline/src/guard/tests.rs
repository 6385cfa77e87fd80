//! What is lost is found, and nothing else is.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedService};
use http::{Request, Response};
use http_deadline::{Ambient, Mode, Policy};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
#[cfg(feature = "metrics")]
use crate::count::recorder::Counts;
use crate::testing::{BUDGET, MS, call, plain, poll, ready};
use crate::{DeadlineLayer, PropagateLayer, WatchedBody, now, scope};

type Incoming = Request<WatchedBody<ScriptedBody>>;

/// A request that carries a deadline so long from now.
fn carrying(timeout: Duration) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), timeout));
    request
}

fn around<T>(timeout: Duration, work: impl FnOnce() -> T) -> T {
    Ambient::new(Some(Deadline::after(now(), timeout)), None).run(work)
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_what_its_task_works_under_or_less() {
    for (carried, told) in [
        (None, Err(LostDeadline::Dropped)),
        (Some(299), Ok(())),
        (Some(300), Ok(())),
        (Some(301), Err(LostDeadline::Later)),
    ] {
        let request = carried.map_or_else(|| Request::new(()), |carried| carrying(carried * MS));
        assert_eq!(around(BUDGET, || DeadlineGuard::check(&request)), told, "{carried:?}");
        assert_eq!(DeadlineGuard::check(&request), Ok(()), "a task without a deadline has none to lose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_has_a_deadline_of_its_own_or_of_its_task() {
    assert_eq!(DeadlineGuard::check_outgoing(&Request::new(())), Err(LostDeadline::Nowhere));
    assert_eq!(DeadlineGuard::check_outgoing(&carrying(BUDGET)), Ok(()));
    assert_eq!(around(BUDGET, || DeadlineGuard::check_outgoing(&Request::new(()))), Ok(()));
}

/// What comes of a request of this policy behind a layer that does this to it, with a guard behind that: whether the
/// guard panicked, and whether the handler was called.
fn behind(policy: Policy, change: impl Fn(Incoming) -> Incoming + Clone) -> (bool, usize) {
    let probe = Probe::default();
    let handler = |_: Incoming| std::future::ready(Ok(Response::new(ScriptedBody::full("in time"))));
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(policy))
        .map_request(change)
        .layer(DeadlineGuardLayer::new())
        .service(ScriptedService::new(Gate::default(), probe.clone(), handler));
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(ready(poll(call(&service, plain()).as_mut())))));
    (outcome.is_err(), probe.called())
}

fn rebuilt(request: Incoming) -> Incoming {
    Request::new(request.into_body())
}

fn lengthened(mut request: Incoming) -> Incoming {
    request.extensions_mut().insert(Deadline::after(now(), 2 * BUDGET));
    request
}

/// In a release build it goes on.
const PANICS: (bool, usize) = if cfg!(debug_assertions) { (true, 0) } else { (false, 1) };

#[tokio::test(start_paused = true)]
async fn a_layer_that_rebuilds_the_request_is_caught_and_so_is_one_that_lengthens() {
    let policy = || Policy::new().default_timeout(BUDGET);
    assert_eq!(behind(policy(), |request| request), (false, 1));
    assert_eq!(behind(policy(), rebuilt), PANICS);
    assert_eq!(behind(policy(), lengthened), PANICS);
    assert_eq!(behind(policy().mode(Mode::Observe), |request| request), (false, 1));
    assert_eq!(behind(policy().mode(Mode::Observe), rebuilt), PANICS);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_deadline_can_be_rebuilt() {
    assert_eq!(behind(Policy::new(), rebuilt), (false, 1));
}

#[tokio::test(start_paused = true)]
async fn around_a_client_a_call_within_a_scope_is_let_through_and_one_of_a_plain_task_is_not() {
    let answer = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(ScriptedBody::full(""))) });
    let client = ServiceBuilder::new()
        .layer(DeadlineGuardLayer::outgoing())
        .layer(PropagateLayer::new())
        .service(answer);
    let within = scope(Deadline::after(now(), BUDGET), client.clone().oneshot(Request::new(())));
    assert!(within.await.unwrap().is_ok());
    let plain = tokio::spawn(async move { client.oneshot(Request::new(())).await.is_ok() }).await;
    assert_eq!(plain.is_err(), cfg!(debug_assertions));
}

#[test]
fn what_is_wrong_is_told_with_who_may_have_done_it() {
    assert!(LostDeadline::Dropped.to_string().ends_with("made the request anew without its extensions"));
    assert!(LostDeadline::Later.to_string().ends_with("has put it into the extensions"));
    assert!(LostDeadline::Nowhere.to_string().ends_with("spawned plainly or serves no request"));
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn what_is_lost_is_counted() {
    let counts = Counts::default();
    let _recording = counts.record();
    behind(Policy::new().default_timeout(BUDGET), rebuilt);
    assert!(counts.all().contains(&("deadline_lost_total{}".to_owned(), 1)), "{:?}", counts.all());
}
