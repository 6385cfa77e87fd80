//! R15: a scope ends with a cause of its caller's.

use super::*;
use crate::testing::finished;
use http_deadline::{Cancellation, Journey};
use std::error::Error;

fn detail(exceeded: &Exceeded) -> Option<String> {
    exceeded.source().map(ToString::to_string)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_scope_is_woken_and_ends_with_the_callers_error() {
    let probe = Probe::default();
    let scoped = scope(in_budget(), probe.watch(pending::<()>()));
    let canceller = scoped.canceller();
    let task = tokio::spawn(scoped);
    settle().await;
    advance(100 * MS).await;
    assert_eq!(canceller.cancel(ScriptedError), Cancellation::Accepted);
    let exceeded = finished(task).await.unwrap_err();
    assert_eq!((exceeded.cause(), exceeded.stage()), (Cause::Cancelled, Stage::Handler));
    assert_eq!((exceeded.budget(), exceeded.elapsed()), (BUDGET, 100 * MS));
    assert_eq!(detail(&exceeded), Some(ScriptedError.to_string()));
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_wins_and_repeating_is_harmless() {
    let scoped = scope(in_budget(), pending::<()>());
    let canceller = scoped.canceller();
    assert_eq!(canceller.cancel_as(Cause::Superseded, "the other one won"), Cancellation::Accepted);
    assert_eq!(scoped.cancel("once more"), Cancellation::Repeated);
    assert_eq!(canceller.clone().cancel_as(Cause::Shutdown, "draining"), Cancellation::Repeated);
    // Nor does the deadline count, which has passed too.
    advance(BUDGET).await;
    let exceeded = scoped.await.unwrap_err();
    assert_eq!((exceeded.cause(), detail(&exceeded).as_deref()), (Cause::Superseded, Some("the other one won")));
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_has_ended_is_told_and_changes_nothing() {
    let late = "too late";
    let done = scope(in_budget(), async { 7 });
    let (of_done, expired) = (done.canceller(), scope(in_budget(), pending::<()>()));
    let of_expired = expired.canceller();
    assert_eq!(done.await.unwrap(), 7);
    assert_eq!(of_done.cancel(late), Cancellation::TooLate);
    assert_eq!(expired.await.unwrap_err().cause(), Cause::Deadline);
    assert_eq!(of_expired.cancel(late), Cancellation::TooLate);
    let dropped = scope(in_budget(), pending::<()>());
    let of_dropped = dropped.canceller();
    drop(dropped);
    assert_eq!(of_dropped.cancel(late), Cancellation::TooLate);
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_before_its_first_poll_is_never_polled() {
    let polled = Kept::default();
    let scoped = scope(in_budget(), async { *polled.lock().unwrap() = Some(()) });
    assert_eq!(scoped.cancel("not wanted"), Cancellation::Accepted);
    assert_eq!(scoped.await.unwrap_err().cause(), Cause::Cancelled);
    assert!(polled.lock().unwrap().is_none());
}

/// As with the deadline: nothing that is there is lost.
#[tokio::test(start_paused = true)]
async fn a_value_that_is_ready_in_the_very_poll_is_delivered() {
    for ready in [true, false] {
        let kept = Kept::default();
        let canceller = Arc::clone(&kept);
        let scoped = scope(in_budget(), async move {
            let canceller: Canceller = taken(&canceller);
            assert_eq!(canceller.cancel("from within"), Cancellation::Accepted);
            if !ready {
                pending::<()>().await;
            }
        });
        *kept.lock().unwrap() = Some(scoped.canceller());
        assert_eq!(scoped.await.is_ok(), ready);
    }
}

#[tokio::test(start_paused = true)]
async fn children_and_inner_scopes_end_for_the_callers_cause() {
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let scoped = scope(in_budget(), async move {
        let inner = scope(in_budget(), async move {
            let journey = Ambient::current().journey().cloned();
            *keeping.lock().unwrap() = Some((spawn(pending::<()>()), journey));
            pending::<()>().await;
        });
        let _ = inner.await;
    });
    let canceller = scoped.canceller();
    let task = tokio::spawn(scoped);
    settle().await;
    let _ = canceller.cancel_as(Cause::Shutdown, "draining");
    assert!(finished(task).await.is_err());
    let (child, journey): (_, Option<Journey>) = taken(&kept);
    let ended: RequestEnded = finished(child).await.unwrap_err();
    assert_eq!(
        (ended.cause(), ended.source().map(ToString::to_string).as_deref()),
        (Some(Cause::Shutdown), Some("draining"))
    );
    assert_eq!(journey.and_then(|journey| journey.cause()), Some(Cause::Shutdown));
}

/// The request that a scope is part of goes on.
#[tokio::test(start_paused = true)]
async fn a_scope_is_cancelled_alone() {
    let outer = scope(in_budget(), async {
        let inner = scope(in_budget(), pending::<()>());
        let _ = inner.cancel("only this one");
        let cause = inner.await.unwrap_err().cause();
        (cause, Ambient::current().journey().and_then(Journey::cause))
    });
    assert_eq!(outer.await.unwrap(), (Cause::Cancelled, None));
}
