//! The ambient scope, and the tasks that are started within a request.

use std::future::pending;
use std::sync::Mutex;
use std::task::Poll;

use deadline_testkit::{Probe, ScriptedBody, ScriptedError};
use http::{Request, Response};
use tokio::time::{advance, sleep};
use tower::{Layer, service_fn};

use super::*;
use crate::testing::{BUDGET, MS, asking, call, poll, settle};
use crate::timer::tests::armed;
use crate::{DeadlineLayer, Stage, WatchedBody, current, remaining};

mod answered;
mod blocking;
mod cancelled;
mod children;
mod detached;
mod released;
mod shared;
mod shared_edges;

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Kept<T> = Arc<Mutex<Option<T>>>;

#[track_caller]
fn taken<T>(kept: &Kept<T>) -> T {
    kept.lock().unwrap().take().expect("nothing was kept")
}

fn in_budget() -> Deadline {
    Deadline::after(now(), BUDGET)
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let probe = Probe::default();
    let mut scoped = Box::pin(scope(in_budget(), probe.watch(pending::<()>())));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(BUDGET - MS).await;
    assert!(poll(scoped.as_mut()).is_pending());
    advance(MS).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!((exceeded.stage(), exceeded.cause()), (Stage::Handler, Cause::Deadline));
    assert_eq!((exceeded.budget(), exceeded.elapsed()), (BUDGET, BUDGET));
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

// R11
#[tokio::test(start_paused = true)]
async fn a_value_that_is_ready_at_the_very_instant_is_delivered() {
    for spent in [BUDGET - MS, BUDGET] {
        let mut scoped = Box::pin(scope(in_budget(), sleep(spent)));
        assert!(poll(scoped.as_mut()).is_pending());
        advance(spent).await;
        assert!(matches!(poll(scoped.as_mut()), Poll::Ready(Ok(()))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_within_a_scope_takes_the_sooner() {
    for (outer, inner) in [(BUDGET, 2 * BUDGET), (2 * BUDGET, BUDGET)] {
        let start = now();
        let outer = Deadline::after(start, outer);
        let outcome = scope(outer, async {
            let inner = scope(Deadline::after(start, inner), async {
                assert_eq!(remaining(), Some(BUDGET));
                pending::<()>().await;
            });
            inner.await.map_err(|exceeded| exceeded.budget())
        });
        let ended = match outcome.await {
            Ok(inner) => inner.err(),
            Err(exceeded) => Some(exceeded.budget()),
        };
        assert_eq!((ended, now() - start), (Some(BUDGET), BUDGET));
    }
}

/// A scope that shortens nothing is stopped by the one around it.
#[tokio::test(start_paused = true)]
async fn one_timer_is_enough_for_scopes_within_each_other() {
    let mut scoped =
        Box::pin(scope(in_budget(), async { scope(Deadline::after(now(), 2 * BUDGET), pending::<()>()).await }));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(armed(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_open_stage_is_reported() {
    let mut scoped = Box::pin(scope(in_budget(), async {
        let ambient = Ambient::current();
        let _open = ambient.journey().map(|journey| journey.enter(Stage::Database));
        pending::<()>().await;
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    advance(BUDGET).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!(exceeded.stage(), Stage::Database);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_in_the_polls_and_in_the_drop() {
    let (deadline, probe) = (in_budget(), Probe::default());
    let mut scoped = Box::pin(scope(deadline, probe.watch(pending::<()>())));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(current(), None);
    drop(scoped);
    assert_eq!(probe.deadline_at_drop(), Some(deadline));
}

/// How often a task is polled that runs scopes one after the other.
async fn polls(scoped: bool) -> usize {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let mut work = Box::pin(async move {
        for _ in 0..10 {
            if scoped {
                let _ = scope(in_budget(), sleep(MS)).await;
            } else {
                sleep(MS).await;
            }
        }
        pending::<()>().await;
    });
    let task = tokio::spawn(std::future::poll_fn(move |cx| {
        counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        work.as_mut().poll(cx)
    }));
    for _ in 0..30 {
        advance(MS).await;
        settle().await;
    }
    task.abort();
    count.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_done_does_not_wake_its_own_task() {
    assert_eq!(polls(true).await, polls(false).await);
}
