//! What each count counts, and what it does not.

use std::future::{Ready, ready};

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService};
use http::{Request, Response};
use http_deadline::{Journey, Mode, OnMissing, Policy};
use tokio::time::advance;
use tower::{Layer, Service};

use super::recorder::Counts;
use crate::testing::{BUDGET, MS, asking, call, plain, poll, ready as now_ready};
use crate::{AdmitLayer, Deadline, DeadlineLayer, PropagateLayer, now, scope};

mod calls;
mod ends;
mod exceed;
mod known;
mod outgoing;
mod requests;

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

/// An observing policy.
fn observing() -> Policy {
    Policy::new().named("trial").mode(Mode::Observe)
}

/// What was counted once, each.
#[track_caller]
fn assert_once(counts: &Counts, counters: &[&str]) {
    let once: Vec<_> = counters.iter().map(|counter| ((*counter).to_owned(), 1)).collect();
    assert_eq!(counts.all(), once);
}

/// Admits one request.
fn admit(policy: Policy, request: Request<ScriptedBody>) {
    let prompt = |_: Request<ScriptedBody>| -> Ready<Result<Response<bytes::Bytes>, ScriptedError>> {
        ready(Ok(Response::new(bytes::Bytes::new())))
    };
    let service = AdmitLayer::new(policy).layer(ScriptedService::new(Gate::default(), Probe::default(), prompt));
    now_ready(poll(call(&service, request).as_mut()));
}

#[tokio::test(start_paused = true)]
async fn what_an_observing_policy_would_refuse_is_counted_by_its_reason() {
    for (request, reason) in [
        (asking("0"), "exceeded"),
        (asking("4ms"), "exceeded"),
        (asking("abc"), "malformed"),
        (asking("1s, abc"), "malformed"),
        (plain(), "missing"),
    ] {
        let counts = Counts::default();
        let _recording = counts.record();
        admit(observing().min(5 * MS).on_missing(OnMissing::Reject), request);
        let expected = format!("deadline_would_refuse_total{{policy=trial,reason={reason}}}");
        assert_eq!(counts.of("deadline_would"), [(expected, 1)]);
    }
}

// R15
#[tokio::test(start_paused = true)]
async fn repeating_a_cancellation_is_counted_and_so_is_one_that_comes_too_late() {
    let counts = Counts::default();
    let _recording = counts.record();
    let scoped = scope(Deadline::after(now(), BUDGET), std::future::pending::<()>());
    let canceller = scoped.canceller();
    for _ in 0..3 {
        canceller.cancel("not wanted");
    }
    assert!(scoped.await.is_err());
    canceller.cancel("too late");
    let expected = [("accepted", 1), ("repeated", 2), ("too_late", 1)]
        .map(|(outcome, times)| (format!("deadline_cancellations_total{{outcome={outcome}}}"), times));
    assert_eq!(counts.all(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_let_in_anyhow_and_what_is_refused_is_not_counted_as_would() {
    let counts = Counts::default();
    let _recording = counts.record();
    admit(observing().min(5 * MS), asking("5ms"));
    admit(observing(), plain());
    for request in [asking("0"), asking("abc")] {
        admit(Policy::new(), request);
    }
    assert_eq!(counts.of("deadline_would"), []);
}

/// Calls once, under this policy, with so much left.
fn propagate(policy: Policy, left: u32, layer: &PropagateLayer) -> bool {
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), left * MS));
    request.extensions_mut().insert(Journey::new(policy.into(), true));
    let upstream = |_: Request<()>| -> Ready<Outcome> { ready(Ok(Response::new(ScriptedBody::full("")))) };
    let mut client = layer.layer(ScriptedService::new(Gate::default(), Probe::default(), upstream));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    let mut calling = Box::pin(client.call(request));
    matches!(poll(calling.as_mut()), std::task::Poll::Ready(Ok(_)))
}

// R16
#[tokio::test(start_paused = true)]
async fn a_call_that_would_not_have_been_sent_is_counted() {
    let layer = PropagateLayer::new();
    for (left, withheld) in [(51, false), (50, true), (49, true), (0, true)] {
        let counts = Counts::default();
        let _recording = counts.record();
        assert!(propagate(observing().reserve(50 * MS), left, &layer), "sent all the same");
        let counted: &[&str] = if withheld { &["deadline_would_withhold_total{policy=trial}"] } else { &[] };
        assert_once(&counts, counted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_sent_is_not_counted_as_would() {
    let counts = Counts::default();
    let _recording = counts.record();
    assert!(!propagate(Policy::new(), 0, &PropagateLayer::new()));
    assert_eq!(counts.of("deadline_would"), []);
}

/// One request has one answer: what would have been refused would never have run.
#[tokio::test(start_paused = true)]
async fn what_would_have_been_refused_is_not_counted_again_at_its_deadline() {
    let counts = Counts::default();
    let _recording = counts.record();
    let slow = |_| async {
        tokio::time::sleep(BUDGET).await;
        Outcome::Ok(Response::new(ScriptedBody::full("")))
    };
    let service = ScriptedService::new(Gate::default(), Probe::default(), slow);
    let service = DeadlineLayer::new(observing().min(5 * MS)).layer(service);
    let mut calling = call(&service, asking("4ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
    assert_once(&counts, &["deadline_would_refuse_total{policy=trial,reason=exceeded}"]);
}
