//! Requests of an observing policy that are still running at their deadline.

use super::*;
use crate::testing::{journey, poll_frame, response, under};
use crate::timer::tests::armed;
use crate::{Covers, Enforce, EnforceLayer, Stage, WatchedBody};
use deadline_testkit::Step;
use std::future::pending;
use std::pin::Pin;
use tokio::time::sleep;
use tower::util::Oneshot;

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Calling<H> = Pin<Box<Oneshot<Enforce<ScriptedService<H>>, Request<ScriptedBody>>>>;

/// A request that has 300 ms, of a client that asked for them.
fn observed() -> Request<ScriptedBody> {
    under(observing(), true)
}

fn calling<H, F>(gate: &Gate, request: Request<ScriptedBody>, handler: H) -> Calling<H>
where
    H: FnMut(Incoming) -> F + Clone,
    F: Future<Output = Outcome>,
{
    call(&EnforceLayer::new().layer(ScriptedService::new(gate.clone(), Probe::default(), handler)), request)
}

const COUNTED_HEAD: &str = "deadline_would_exceed_total{policy=trial,stage=handler}";
const COUNTED_BODY: &str = "deadline_would_exceed_total{policy=trial,stage=response_body}";

/// A handler that answers after so many milliseconds, with these steps.
fn after<const N: usize>(
    millis: u32,
    content_type: &'static str,
    steps: [Step; N],
) -> impl Fn(Incoming) -> Pin<Box<dyn Future<Output = Outcome>>> + Clone {
    move |_| {
        let steps = steps.clone();
        Box::pin(async move {
            sleep(millis * MS).await;
            Ok(response(content_type, steps))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_is_counted_after_the_instant_and_not_before_or_at_it() {
    for (millis, late) in [(299, false), (300, false), (301, true)] {
        let counts = Counts::default();
        let _recording = counts.record();
        let mut calling = calling(&Gate::default(), observed(), after(millis, "text/plain", [Step::Data("late")]));
        assert!(poll(calling.as_mut()).is_pending());
        advance(millis * MS).await;
        let mut body = now_ready(poll(calling.as_mut())).into_body();
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_ready());
        drop(body);
        assert_once(&counts, if late { &[COUNTED_HEAD] } else { &[] });
        assert_eq!(armed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_answers_is_counted_once_at_its_first_poll_from_the_instant_on() {
    let counts = Counts::default();
    let _recording = counts.record();
    let mut calling = calling(&Gate::default(), observed(), |_| pending());
    assert!(poll(calling.as_mut()).is_pending());
    advance(299 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(counts.all(), []);
    advance(MS).await;
    for _ in 0..3 {
        assert!(poll(calling.as_mut()).is_pending());
        advance(BUDGET).await;
    }
    drop(calling);
    assert_once(&counts, &[COUNTED_HEAD]);
}

#[tokio::test(start_paused = true)]
async fn the_stage_is_the_one_in_which_the_instant_passed() {
    let counts = Counts::default();
    let _recording = counts.record();
    let request = observed();
    let journey = journey(&request);
    let staged = move |_: Incoming| {
        let journey = journey.clone();
        async move {
            let open = journey.enter(Stage::Database);
            sleep(2 * BUDGET).await;
            drop(open);
            let _open = journey.enter(Stage::Upstream);
            sleep(BUDGET).await;
            Outcome::Ok(Response::new(ScriptedBody::full("")))
        }
    };
    let mut calling = calling(&Gate::default(), request, staged);
    assert!(poll(calling.as_mut()).is_pending());
    advance(2 * BUDGET).await;
    assert!(poll(calling.as_mut()).is_pending());
    assert_once(&counts, &["deadline_would_exceed_total{policy=trial,stage=database}"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_readiness_is_counted_as_queued() {
    let counts = Counts::default();
    let _recording = counts.record();
    let gate = Gate::closed();
    let mut calling = calling(&gate, observed(), after(0, "text/plain", []));
    assert!(poll(calling.as_mut()).is_pending());
    // `Oneshot` calls what is always ready; it is the future that waits.
    advance(BUDGET).await;
    assert!(poll(calling.as_mut()).is_pending());
    gate.open();
    let _ = poll(calling.as_mut());
    assert_once(&counts, &["deadline_would_exceed_total{policy=trial,stage=queue}"]);
}

/// The polls of a body that yields once, waits, yields, and waits for ever.
const STREAM: [Step; 4] = [Step::Data("early"), Step::Wait, Step::Data("late"), Step::Stall];

// R11: the deadline comes before each frame.
#[tokio::test(start_paused = true)]
async fn a_covered_body_is_counted_from_the_instant_on() {
    for (millis, late) in [(299, false), (300, true), (301, true)] {
        let counts = Counts::default();
        let _recording = counts.record();
        let mut calling = calling(&Gate::default(), observed(), after(0, "text/plain", STREAM));
        let mut body = now_ready(poll(calling.as_mut())).into_body();
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_pending());
        advance(millis * MS).await;
        assert!(poll_frame(&mut body).is_ready());
        assert_once(&counts, if late { &[COUNTED_BODY] } else { &[] });
        assert_eq!(armed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_at_the_instant_is_counted_though_its_head_was_ready_then() {
    let counts = Counts::default();
    let _recording = counts.record();
    let mut calling = calling(&Gate::default(), observed(), after(300, "text/plain", STREAM));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    let mut body = now_ready(poll(calling.as_mut())).into_body();
    assert!(poll_frame(&mut body).is_ready());
    assert_eq!(counts.all(), []);
    assert!(poll_frame(&mut body).is_pending());
    assert_once(&counts, &[COUNTED_BODY]);
}

// R18
#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_covered_is_not_counted() {
    let head = observing().covers(Covers::Head);
    for (policy, content_type) in [(observing(), "text/event-stream"), (head, "text/plain")] {
        let counts = Counts::default();
        let _recording = counts.record();
        let mut calling = calling(&Gate::default(), under(policy, false), after(0, content_type, STREAM));
        let mut body = now_ready(poll(calling.as_mut())).into_body();
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_pending());
        advance(2 * BUDGET).await;
        assert!(poll_frame(&mut body).is_ready());
        drop(body);
        assert_eq!(counts.all(), [], "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_in_time_is_not_counted_when_it_is_dropped_late() {
    let counts = Counts::default();
    let _recording = counts.record();
    let steps = [Step::Data("all"), Step::Trailers(crate::testing::trailers("grpc-status", "0"))];
    let mut calling = calling(&Gate::default(), observed(), after(0, "application/grpc", steps));
    let mut body = now_ready(poll(calling.as_mut())).into_body();
    assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_ready());
    advance(2 * BUDGET).await;
    assert!(poll_frame(&mut body).is_ready());
    drop(body);
    assert_eq!(counts.all(), []);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_counted_from_the_instant_on() {
    for (millis, late) in [(299, false), (300, true), (301, true)] {
        let counts = Counts::default();
        let _recording = counts.record();
        let mut head = calling(&Gate::default(), observed(), |_| pending());
        let mut streaming = calling(&Gate::default(), observed(), after(0, "text/plain", STREAM));
        assert!(poll(head.as_mut()).is_pending());
        let mut body = now_ready(poll(streaming.as_mut())).into_body();
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_pending());
        advance(millis * MS).await;
        drop(head);
        drop(body);
        assert_once(&counts, if late { &[COUNTED_HEAD, COUNTED_BODY] } else { &[] });
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_too_late_and_what_is_enforced_is_not_counted() {
    let counts = Counts::default();
    let _recording = counts.record();
    let late = observed();
    advance(BUDGET).await;
    let mut late = calling(&Gate::default(), late, |_| pending());
    let mut enforced = calling(&Gate::default(), under(Policy::new(), true), |_| pending());
    assert!(poll(late.as_mut()).is_pending() && poll(enforced.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(poll(late.as_mut()).is_pending() && poll(enforced.as_mut()).is_ready());
    drop(late);
    assert_eq!(counts.all(), []);
}

/// The outer layer's deadline is later, and covers the body; it is not the observing one's.
#[tokio::test(start_paused = true)]
async fn a_body_that_an_outer_layer_alone_covers_is_not_counted() {
    for (covers, counted) in [(Covers::Head, 0), (Covers::Body, 1)] {
        let counts = Counts::default();
        let _recording = counts.record();
        let inner = ScriptedService::new(Gate::default(), Probe::default(), |_| {
            ready(Outcome::Ok(response("text/plain", STREAM)))
        });
        let inner = DeadlineLayer::new(observing().default_timeout(BUDGET).covers(covers)).layer(inner);
        let service = DeadlineLayer::new(Policy::new().default_timeout(3 * BUDGET)).layer(inner);
        let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_pending());
        advance(2 * BUDGET).await;
        assert!(matches!(poll_frame(&mut body), std::task::Poll::Ready(Some(Ok(_)))));
        assert_eq!(counts.all().len(), counted, "{covers:?}");
    }
}

/// The outer layer stops the request: the observing one would have had nothing to do.
#[tokio::test(start_paused = true)]
async fn what_an_outer_layer_stops_first_is_not_counted() {
    let counts = Counts::default();
    let _recording = counts.record();
    for (outer, counted) in [(200, 0), (300, 0), (400, 1)] {
        let never = ScriptedService::new(Gate::default(), Probe::default(), |_| pending::<Outcome>());
        let inner = DeadlineLayer::new(observing().default_timeout(BUDGET)).layer(never);
        let service = DeadlineLayer::new(Policy::new().default_timeout(outer * MS)).layer(inner);
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        advance(outer * MS).await;
        assert!(poll(calling.as_mut()).is_ready());
        drop(calling);
        let would = counts.all().into_iter().filter(|(counter, _)| counter.starts_with("deadline_would"));
        assert_eq!(would.count(), counted, "{outer}");
    }
}
