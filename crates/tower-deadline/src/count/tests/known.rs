//! What is looked up once, and when it is looked up again.

use super::*;

/// Sends one request without a deadline.
fn send(layer: &DeadlineLayer) {
    let prompt = |_: Request<_>| ready(Outcome::Ok(Response::new(ScriptedBody::default())));
    let inner = ScriptedService::new(Gate::default(), Probe::default(), prompt);
    drop(now_ready(poll(call(&layer.layer(inner), plain()).as_mut())));
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_comes_after_the_first_request_counts_the_next_ones() {
    let layer = DeadlineLayer::new(Policy::new().named("shop"));
    send(&layer);
    let (first, second) = (Counts::default(), Counts::default());
    let requests = |counts: &Counts| counts.requests().iter().map(|(_, times)| *times).sum::<u64>();
    let recording = first.record();
    send(&layer);
    send(&layer.clone());
    let other = second.record();
    send(&layer);
    drop(other);
    send(&layer);
    drop(recording);
    send(&layer);
    assert_eq!((requests(&first), requests(&second)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn of_many_policies_each_has_its_own() {
    let counts = Counts::default();
    let _recording = counts.record();
    let known = crate::count::Policies::default();
    for name in ["one", "two", "three", "two", "one", "two"] {
        known.of(http_deadline::PolicyName::new(name)).came(None);
    }
    let expected = [("one", 2), ("three", 1), ("two", 3)];
    let expected =
        expected.map(|(name, times)| (format!("deadline_requests_total{{origin=none,policy={name}}}"), times));
    assert_eq!(counts.requests(), expected);
}
