//! Shared work is bound to its longest waiter, and stops when the last one leaves.

use super::*;
use crate::scope::shared::{Shared, Wait, WaitError};
use crate::testing::finished;
use std::pin::Pin;
use tokio::sync::oneshot;

type Waiting<T> = Pin<Box<Scope<Wait<T>>>>;

fn waiter<T: Clone>(shared: &Shared<T>, budget: Duration) -> Waiting<T> {
    let shared = shared.clone();
    let deadline = Deadline::after(now(), budget);
    let _entered = http_deadline::enter(deadline);
    Box::pin(scope(deadline, shared.wait()))
}

fn exceeded<T>(polled: Poll<Result<Result<T, WaitError>, Exceeded>>) -> bool {
    matches!(polled, Poll::Ready(Err(_) | Ok(Err(WaitError::Exceeded(_)))))
}

/// Work that the probe watches, and whoever completes it.
fn work(probe: &Probe) -> (Shared<u32>, oneshot::Sender<u32>) {
    let (complete, completed) = oneshot::channel();
    let work = probe.watch(async { completed.await.unwrap_or(0) });
    (share(work), complete)
}

#[tokio::test(start_paused = true)]
async fn one_computation_serves_all_who_wait_and_those_who_come_later() {
    let probe = Probe::default();
    let (shared, complete) = work(&probe);
    let waiters: Vec<_> = (0..3).map(|_| tokio::spawn(waiter(&shared, BUDGET))).collect();
    settle().await;
    complete.send(7).unwrap();
    for waiter in waiters {
        assert_eq!(finished(waiter).await.unwrap().unwrap(), 7);
    }
    assert_eq!(shared.wait().await.unwrap(), 7);
    assert_eq!((probe.called(), probe.in_flight(), probe.dropped()), (1, 0, 0));
    assert!(!shared.is_stopped());
}

#[tokio::test(start_paused = true)]
async fn starts_with_the_first_poll_of_the_first_waiter() {
    let started = Kept::default();
    let starting = Arc::clone(&started);
    let shared = share(async move { *starting.lock().unwrap() = Some(()) });
    let waiting = shared.wait();
    settle().await;
    assert!(started.lock().unwrap().is_none());
    waiting.await.unwrap();
    taken(&started);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_leaves_at_its_own_deadline_and_the_work_goes_on_for_the_longest() {
    let probe = Probe::default();
    let (shared, complete) = work(&probe);
    let (mut hurried, mut patient) = (waiter(&shared, BUDGET), waiter(&shared, 3 * BUDGET));
    assert!(poll(hurried.as_mut()).is_pending() && poll(patient.as_mut()).is_pending());
    settle().await;
    advance(BUDGET - MS).await;
    assert!(poll(hurried.as_mut()).is_pending());
    advance(MS).await;
    assert!(exceeded(poll(hurried.as_mut())));
    settle().await;
    assert_eq!(probe.in_flight(), 1);
    complete.send(7).unwrap();
    settle().await;
    assert!(matches!(poll(patient.as_mut()), Poll::Ready(Ok(Ok(7)))));
}

#[tokio::test(start_paused = true)]
async fn the_last_waiter_to_leave_stops_the_work() {
    let probe = Probe::default();
    let (shared, _complete) = work(&probe);
    let (mut one, mut other) = (waiter(&shared, BUDGET), waiter(&shared, BUDGET));
    assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
    settle().await;
    drop(one);
    settle().await;
    assert_eq!((probe.in_flight(), probe.dropped()), (1, 0));
    drop(other);
    settle().await;
    assert_eq!((probe.in_flight(), probe.dropped(), armed()), (0, 1, 0));
    assert!(shared.is_stopped());
    assert!(matches!(shared.wait().await, Err(WaitError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn works_under_the_deadline_of_the_longest_waiter_as_they_come_and_go() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let start = now();
    let mut ticks = tokio::time::interval(100 * MS);
    let shared = share(async move {
        for _ in 0..4 {
            ticks.tick().await;
            seeing.lock().unwrap().push(current().map(|deadline| deadline.instant() - start));
        }
    });
    let mut waiters = vec![waiter(&shared, 200 * MS)];
    assert!(poll(waiters[0].as_mut()).is_pending());
    settle().await;
    waiters.push(waiter(&shared, 500 * MS));
    assert!(poll(waiters[1].as_mut()).is_pending());
    advance(100 * MS).await;
    settle().await;
    // One that leaves takes its bound along.
    drop(waiters.pop());
    let mut unbounded = Box::pin(shared.wait());
    advance(50 * MS).await;
    settle().await;
    advance(50 * MS).await;
    assert!(poll(unbounded.as_mut()).is_pending());
    settle().await;
    advance(100 * MS).await;
    settle().await;
    assert!(poll(unbounded.as_mut()).is_ready());
    assert_eq!(*seen.lock().unwrap(), [Some(200 * MS), Some(500 * MS), None, None]);
}

/// What only waiters bound is bound also where they are held unpolled.
#[tokio::test(start_paused = true)]
async fn stops_at_the_longest_deadline_though_nobody_leaves() {
    let probe = Probe::default();
    let (shared, _complete) = work(&probe);
    let mut held = waiter(&shared, BUDGET);
    assert!(poll(held.as_mut()).is_pending());
    settle().await;
    advance(BUDGET - MS).await;
    settle().await;
    assert_eq!(probe.in_flight(), 1);
    advance(MS).await;
    settle().await;
    assert_eq!((probe.in_flight(), probe.dropped()), (0, 1));
    assert!(exceeded(poll(held.as_mut())), "the deadline is what it is told of");
}

/// The timer is armed for the longest, who leaves.
#[tokio::test(start_paused = true)]
async fn stops_at_what_is_the_longest_deadline_by_then() {
    let probe = Probe::default();
    let (shared, _complete) = work(&probe);
    let (mut held, mut patient) = (waiter(&shared, BUDGET), waiter(&shared, 9 * BUDGET));
    assert!(poll(held.as_mut()).is_pending() && poll(patient.as_mut()).is_pending());
    settle().await;
    drop(patient);
    settle().await;
    advance(BUDGET - MS).await;
    settle().await;
    assert_eq!(probe.in_flight(), 1);
    advance(MS).await;
    settle().await;
    assert_eq!(probe.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_was_told_of_the_deadline_waits_no_more_though_it_is_kept() {
    let probe = Probe::default();
    let (shared, _complete) = work(&probe);
    let entered = http_deadline::enter(in_budget());
    let mut told = Box::pin(shared.wait());
    drop(entered);
    let mut patient = waiter(&shared, 9 * BUDGET);
    assert!(poll(told.as_mut()).is_pending() && poll(patient.as_mut()).is_pending());
    settle().await;
    advance(BUDGET).await;
    assert!(matches!(poll(told.as_mut()), Poll::Ready(Err(WaitError::Exceeded(_)))));
    drop(patient);
    settle().await;
    assert_eq!((probe.in_flight(), probe.dropped()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_work_spawned_ends_with_it() {
    let (probe, kept) = (Probe::default(), Kept::default());
    let (watching, keeping) = (probe.clone(), Arc::clone(&kept));
    let shared = share(async move {
        *keeping.lock().unwrap() = Some(spawn(watching.watch(pending::<()>())));
        pending::<()>().await;
    });
    let mut waiting = waiter(&shared, BUDGET);
    assert!(poll(waiting.as_mut()).is_pending());
    settle().await;
    drop(waiting);
    assert_eq!(finished(taken(&kept)).await.unwrap_err().cause(), Some(Cause::Cancelled));
    assert_eq!(probe.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_work_that_panics_is_told() {
    let shared: Shared<()> = share(async { panic!("on purpose") });
    let waiting = tokio::spawn(shared.wait());
    assert!(matches!(finished(waiting).await, Err(WaitError::Stopped)));
    assert!(shared.is_stopped());
}
