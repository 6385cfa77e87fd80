use super::*;
use crate::testing::{BUDGET, MS, data, error, is_at_end, poll_frame};
use crate::timer::tests::armed;
use crate::{Deadline, Exceeded, Policy, now};
use deadline_testkit::{BodyProbe, ScriptedBody, ScriptedError, Step};
use std::error::Error;
use tokio::time::advance;

fn journey() -> Journey {
    Journey::new(Policy::new().into(), true)
}

/// A body that nobody else watches.
fn alone(steps: impl IntoIterator<Item = Step>) -> (WatchedBody<ScriptedBody>, BodyProbe, Journey) {
    let (inner, journey) = (ScriptedBody::new(steps), journey());
    let probe = inner.probe();
    let watch = Watch::new(Deadline::after(now(), BUDGET), Some(journey.clone()));
    (WatchedBody::new(inner, Some(watch), Some(journey.clone()), Stage::Upstream), probe, journey)
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let (mut body, probe, journey) = alone([Step::Data("some"), Step::Stall]);
    assert_eq!(data(&mut body), "some");
    assert_eq!(armed(), 0, "nothing was waited for");
    assert!(poll_frame(&mut body).is_pending());
    assert_eq!((armed(), journey.stage()), (1, Stage::Upstream));
    advance(BUDGET - MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let error = error(&mut body);
    assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Upstream));
    assert!(probe.is_dropped());
    assert_eq!(armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_comes_first_at_each_frame() {
    for (spent, is_late) in [(BUDGET - MS, false), (BUDGET, true), (BUDGET + MS, true)] {
        let (mut body, probe, _) = alone([Step::Data("frame")]);
        advance(spent).await;
        assert_eq!(matches!(poll_frame(&mut body), Poll::Ready(Some(Err(_)))), is_late);
        assert_eq!((probe.polls(), probe.is_dropped()), (usize::from(!is_late), is_late));
    }
}

#[tokio::test(start_paused = true)]
async fn tells_its_error_once() {
    for steps in [[Step::Stall], [Step::Error]] {
        let (mut body, probe, _) = alone(steps);
        let _ = poll_frame(&mut body);
        advance(BUDGET).await;
        let _ = poll_frame(&mut body);
        for _ in 0..2 {
            assert!(is_at_end(&mut body) && body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        }
        assert_eq!((probe.polled_after_end(), probe.is_dropped()), (0, true));
    }
}

/// The stage stayed open after the end, as long as somebody kept the body.
#[tokio::test(start_paused = true)]
async fn no_stage_is_open_after_the_end() {
    for steps in [[Step::Wait, Step::Stall], [Step::Wait, Step::Error]] {
        let (mut body, _, journey) = alone(steps);
        assert!(poll_frame(&mut body).is_pending());
        assert_eq!(journey.stage(), Stage::Upstream);
        advance(BUDGET).await;
        error(&mut body);
        assert_eq!(journey.stage(), Stage::Handler);
    }
    let (mut body, _, journey) = alone([Step::Stall]);
    assert!(poll_frame(&mut body).is_pending());
    drop(body);
    assert_eq!(journey.stage(), Stage::Handler);
}

/// The timer stayed armed after the end, as long as somebody kept the body.
#[tokio::test(start_paused = true)]
async fn no_timer_is_armed_after_the_end() {
    for steps in [vec![Step::Wait], vec![Step::Wait, Step::Data("last")], vec![Step::Wait, Step::Error]] {
        let (mut body, ..) = alone(steps);
        assert!(poll_frame(&mut body).is_pending());
        assert_eq!(armed(), 1);
        while !is_at_end(&mut body) {}
        assert_eq!(armed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_it_waits_as_long_as_it_takes() {
    let mut body = WatchedBody::new(ScriptedBody::new([Step::Wait, Step::Data("late")]), None, None, Stage::Upstream);
    assert!(poll_frame(&mut body).is_pending());
    advance(100 * BUDGET).await;
    assert_eq!(armed(), 0);
    assert_eq!(data(&mut body), "late");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_bodys_is_its_source() {
    let (mut body, ..) = alone([Step::Error]);
    let error = error(&mut body);
    assert!(matches!(error, BodyError::Inner(_)));
    assert!(error.source().is_some_and(|source| source.is::<ScriptedError>()));
}

/// A proxy reads from one side while it waits for the other.
#[tokio::test(start_paused = true)]
async fn two_bodies_of_one_journey_close_their_own_stages() {
    let journey = journey();
    let body = |stage| WatchedBody::new(ScriptedBody::new([Step::Wait]), None, Some(journey.clone()), stage);
    let (mut request, mut upstream) = (body(Stage::RequestBody), body(Stage::Upstream));
    assert!(poll_frame(&mut request).is_pending() && poll_frame(&mut upstream).is_pending());
    assert_eq!(journey.stage(), Stage::Upstream);
    assert!(is_at_end(&mut upstream));
    assert_eq!(journey.stage(), Stage::RequestBody);
    assert!(is_at_end(&mut request));
    assert_eq!(journey.stage(), Stage::Handler);
}
