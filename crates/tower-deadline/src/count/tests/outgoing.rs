//! Calls without a deadline, and limits of our own.

use super::*;
use crate::{OnInvalid, Outgoing, PropagateError};
use http::Extensions;
use http_deadline::Ambient;

const MISSING: &str = "deadline_missing_total";

/// Calls once with these extensions.
fn call_with(layer: &PropagateLayer, extensions: Extensions) -> Result<(), PropagateError> {
    let (answer, probe) = (|_| ready(Outcome::Ok(Response::new(ScriptedBody::full("")))), Probe::default());
    let mut client = layer.layer(ScriptedService::new(Gate::default(), probe, answer));
    let mut request = Request::new(());
    *request.extensions_mut() = extensions;
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    match poll(Box::pin(client.call(request)).as_mut()) {
        std::task::Poll::Ready(outcome) => outcome.map(drop),
        std::task::Poll::Pending => panic!("still pending"),
    }
}

fn within(timeout: u32) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Deadline::after(now(), timeout * MS));
    extensions
}

fn part_of(policy: Policy) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Journey::new(policy.into(), false));
    extensions
}

/// What was counted of calls without a deadline.
fn missed(counts: &Counts) -> Vec<(String, u64)> {
    let mut counted = counts.all();
    counted.retain(|(counter, _)| counter.starts_with(MISSING) || counter.starts_with("deadline_would"));
    counted
}

// R21
#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_is_counted_by_the_policy_around_it() {
    let (counts, layer) = (Counts::default(), PropagateLayer::new());
    let _recording = counts.record();
    assert!(call_with(&layer, within(300)).is_ok());
    assert_eq!(missed(&counts), []);
    assert!(call_with(&layer, Extensions::new()).is_ok());
    let shop = || Policy::new().named("shop");
    assert!(call_with(&layer, part_of(shop())).is_ok());
    assert!(Ambient::unbounded(shop().into()).run(|| call_with(&layer, Extensions::new())).is_ok());
    // A limit of the layer's own is none that was found.
    assert!(call_with(&layer.timeout(300 * MS), Extensions::new()).is_ok());
    let counted = [(format!("{MISSING}{{policy=none}}"), 2), (format!("{MISSING}{{policy=shop}}"), 2)];
    assert_eq!(missed(&counts), counted);
}

// R21
#[tokio::test(start_paused = true)]
async fn a_policy_that_requires_a_deadline_fails_the_call_and_one_that_observes_counts_that() {
    let (counts, layer) = (Counts::default(), PropagateLayer::new());
    let _recording = counts.record();
    let strict = |policy: Policy| policy.outgoing(Outgoing::Require);
    let refused = call_with(&layer, part_of(strict(Policy::new().named("shop"))));
    assert!(matches!(refused, Err(PropagateError::Missing { .. })), "{refused:?}");
    let around = |policy: Policy| Ambient::unbounded(strict(policy).into());
    assert!(around(Policy::new().named("shop")).run(|| call_with(&layer, Extensions::new())).is_err());
    assert!(around(Policy::new().named("shop")).run(|| call_with(&layer, within(300))).is_ok());
    assert!(
        around(observing().on_invalid(OnInvalid::Ignore))
            .run(|| call_with(&layer, Extensions::new()))
            .is_ok()
    );
    let counted = [
        (format!("{MISSING}{{policy=shop}}"), 2),
        (format!("{MISSING}{{policy=trial}}"), 1),
        ("deadline_would_withhold_total{policy=trial}".to_owned(), 1),
    ];
    assert_eq!(missed(&counts), counted);
}

/// What limits of our own did, in a test of its own.
fn limited(work: impl FnOnce()) -> Vec<(String, u64)> {
    let counts = Counts::default();
    let _recording = counts.record();
    work();
    let mut counted = counts.all();
    counted.retain(|(counter, _)| counter.starts_with("deadline_local_limits_total"));
    counted
        .iter_mut()
        .for_each(|(counter, _)| *counter = counter.split(['=', '}']).nth(1).unwrap().to_owned());
    counted
}

const MET: [(u32, &[(&str, u64)]); 3] = [(299, &[("pointless", 1)]), (300, &[]), (301, &[("truncated", 1)])];

fn assert_met(told: &[(String, u64)], expected: &[(&str, u64)], who: &str) {
    let told: Vec<_> = told.iter().map(|(effect, count)| (effect.as_str(), *count)).collect();
    assert_eq!(told, expected, "{who}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_our_own_cuts_a_deadline_off_or_is_never_reached() {
    let layer = PropagateLayer::new().timeout(300 * MS);
    for (inherited, expected) in MET {
        assert_met(&limited(|| drop(call_with(&layer, within(inherited)))), expected, "a layer");
        let around = Deadline::after(now(), inherited * MS);
        let scoped = || drop(scope(Deadline::after(now(), 300 * MS), async {}));
        assert_met(&limited(|| Ambient::new(Some(around), None).run(scoped)), expected, "a scope");
        let stacked = || {
            let mut request = plain();
            request.extensions_mut().insert(around);
            admit(Policy::new().default_timeout(300 * MS), request);
        };
        assert_met(&limited(stacked), expected, "a policy further in");
    }
    assert_met(&limited(|| drop(call_with(&layer, Extensions::new()))), &[], "nothing inherited");
    assert_met(&limited(|| drop(call_with(&PropagateLayer::new(), within(300)))), &[], "no limit of our own");
}

/// A limit on a connection or a read is meant to be sooner, and to be later makes it pointless.
#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn a_limit_on_a_part_of_a_call_is_never_reached_or_does_what_it_is_for() {
    let builder = PropagateLayer::new().reqwest().connect_timeout(300 * MS).read_timeout(300 * MS);
    let client = builder.build(reqwest::Client::builder()).unwrap();
    for (inherited, pointless) in [(299, &[("pointless", 2)][..]), (300, &[]), (301, &[])] {
        let request = reqwest::Request::new(http::Method::GET, "http://shop.example/".parse().unwrap());
        let within = crate::reqwest::WithDeadline::new(request, Deadline::after(now(), inherited * MS));
        assert_met(&limited(|| drop(client.execute(within))), pointless, "a part");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_asks_for_is_no_limit_of_ours_and_neither_is_what_only_observes() {
    for timeout in [200, 400] {
        let stacked = |policy: Policy, mut request: Request<ScriptedBody>| {
            request.extensions_mut().insert(Deadline::after(now(), timeout * MS));
            admit(policy, request);
        };
        assert_met(&limited(|| stacked(Policy::new(), asking("300ms"))), &[], "a field");
        let observed = observing().default_timeout(300 * MS);
        assert_met(&limited(|| stacked(observed, plain())), &[], "an observing policy");
    }
}
