//! Shared work on its edges: who comes while it is stopped, whose policy it has, and code of the caller's that does not
//! behave.

use super::*;
use crate::scope::shared::{Shared, Wait, WaitError};
use crate::{Mode, OnMissing, PropagateError, PropagateLayer};
use http_deadline::Journey;
use std::future::{poll_fn, ready as answer};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt;

fn waiter<T: Clone>(shared: &Shared<T>, budget: Duration) -> Pin<Box<Wait<T>>> {
    let _entered = http_deadline::enter(Deadline::after(now(), budget));
    Box::pin(shared.wait())
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The drop of the work stands for another thread that comes while it is dropped.
#[tokio::test(start_paused = true)]
async fn who_comes_while_abandoned_work_is_dropped_finds_it_stopped() {
    let (slot, found) = (Kept::<Shared<()>>::default(), Kept::default());
    let (looking, keeping) = (Arc::clone(&slot), Arc::clone(&found));
    let guard = OnDrop(move || {
        let shared = taken(&looking);
        let told = poll(Box::pin(shared.wait()).as_mut());
        *keeping.lock().unwrap() = Some((shared.is_stopped(), told));
    });
    let shared = share(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    *slot.lock().unwrap() = Some(shared.clone());
    let mut only = Box::pin(shared.wait());
    assert!(poll(only.as_mut()).is_pending());
    settle().await;
    drop(only);
    settle().await;
    assert!(matches!(taken(&found), (true, Poll::Ready(Err(WaitError::Stopped)))));
}

/// The time passes within the poll, and so does the deadline of the first.
#[tokio::test(start_paused = true)]
async fn who_comes_during_a_long_poll_keeps_the_work_alive() {
    let (slot, late) = (Kept::<Shared<()>>::default(), Kept::default());
    let (looking, keeping) = (Arc::clone(&slot), Arc::clone(&late));
    let shared = share(async move {
        // Another thread, which has all the time of the world.
        let coming = std::thread::spawn(move || {
            let mut unbounded = Box::pin(taken(&looking).wait());
            assert!(poll(unbounded.as_mut()).is_pending());
            unbounded
        });
        *keeping.lock().unwrap() = Some(coming.join().unwrap());
        // On this thread alone, so that it is one poll.
        let mut advancing = Box::pin(advance(BUDGET));
        let _ = poll(advancing.as_mut());
        pending::<()>().await;
    });
    *slot.lock().unwrap() = Some(shared.clone());
    let mut first = waiter(&shared, BUDGET);
    assert!(poll(first.as_mut()).is_pending());
    settle().await;
    assert!(matches!(poll(first.as_mut()), Poll::Ready(Err(WaitError::Exceeded(_)))), "its time has passed");
    assert!(!shared.is_stopped());
}

/// A value that looks at the work that it comes from.
struct Looking(Kept<Shared<Looking>>);

impl Clone for Looking {
    fn clone(&self) -> Self {
        let shared = self.0.lock().unwrap().clone();
        assert!(shared.is_none_or(|shared| !shared.is_stopped()));
        Self(Arc::clone(&self.0))
    }
}

/// Done by a thread of its own: under the lock it would look for ever.
#[test]
fn a_value_is_cloned_without_the_lock() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let slot = Kept::default();
            let inner = Arc::clone(&slot);
            let shared = share(async move { Looking(inner) });
            *slot.lock().unwrap() = Some(shared.clone());
            assert!(shared.wait().await.is_ok());
        });
        done.send(()).unwrap();
    });
    assert_eq!(finished.recv_timeout(Duration::from_secs(5)), Ok(()), "cloned under the lock");
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_work_whose_drop_panics_has_its_value() {
    let guard = PanicsOnDrop;
    let shared = share(poll_fn(move |_| {
        let _ = &guard;
        Poll::Ready(7)
    }));
    assert_eq!(shared.wait().await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_abandoned_work_whose_drop_panics_is_told() {
    let guard = PanicsOnDrop;
    let shared = share(poll_fn(move |_| {
        let _ = &guard;
        Poll::<()>::Pending
    }));
    let mut held = waiter(&shared, BUDGET);
    assert!(poll(held.as_mut()).is_pending());
    settle().await;
    drop(held);
    settle().await;
    assert!(matches!(shared.wait().await, Err(WaitError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn work_is_not_polled_for_everyone_who_leaves() {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let shared = share(poll_fn(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        Poll::<()>::Pending
    }));
    let mut waiters: Vec<_> = (0..100).map(|_| waiter(&shared, BUDGET)).collect();
    for waiting in &mut waiters {
        assert!(poll(waiting.as_mut()).is_pending());
    }
    settle().await;
    while waiters.len() > 1 {
        drop(waiters.pop());
        settle().await;
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

fn within_policy(policy: Policy) -> Ambient {
    let journey = Journey::new(policy.into(), true);
    Ambient::new(Some(in_budget()), Some(journey))
}

async fn field_sent(policy: Policy, shared: bool) -> Option<String> {
    let call = async {
        let client = PropagateLayer::new().layer(service_fn(|request: Request<()>| {
            let field = request.headers().get("x-request-timeout").map(|field| field.to_str().unwrap().to_owned());
            let mut head = Response::new(ScriptedBody::full(""));
            head.extensions_mut().insert(field);
            answer(Outcome::Ok(head))
        }));
        let head = client.oneshot(Request::new(())).await.unwrap();
        head.extensions().get::<Option<String>>().cloned().unwrap()
    };
    let mut around = within_policy(policy);
    let mut work: Pin<Box<dyn Future<Output = Option<String>>>> = if shared {
        let shared = share(call);
        Box::pin(async move { shared.wait().await.unwrap() })
    } else {
        Box::pin(call)
    };
    poll_fn(move |cx| around.run(|| work.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn the_reserve_of_the_policy_is_kept_back_in_shared_work_too() {
    let policy = || Policy::new().reserve(50 * MS);
    assert_eq!(field_sent(policy(), false).await.as_deref(), Some("250ms"));
    assert_eq!(field_sent(policy(), true).await.as_deref(), Some("250ms"));
}

#[tokio::test(start_paused = true)]
async fn observed_requests_propagate_from_shared_work_too() {
    let policy = || Policy::new().mode(Mode::Observe);
    assert_eq!(field_sent(policy(), false).await.as_deref(), Some("300ms"));
    assert_eq!(field_sent(policy(), true).await.as_deref(), Some("300ms"));
}

#[tokio::test(start_paused = true)]
async fn what_wants_a_deadline_is_not_refused_in_shared_work_of_an_observed_request() {
    let mut around = within_policy(Policy::new().mode(Mode::Observe));
    let layer = PropagateLayer::new().on_missing(OnMissing::Reject);
    let shared = share(async move {
        let client =
            layer.layer(service_fn(|_: Request<()>| answer(Outcome::Ok(Response::new(ScriptedBody::full(""))))));
        matches!(client.oneshot(Request::new(())).await, Err(PropagateError::Missing { .. }))
    });
    let mut waiting = Box::pin(async move { shared.wait().await });
    let missing = poll_fn(move |cx| around.run(|| waiting.as_mut().poll(cx))).await.unwrap();
    assert!(!missing, "refused as one without a deadline");
}

#[tokio::test(start_paused = true)]
async fn an_observed_waiter_does_not_stop_the_work_at_its_deadline() {
    let mut around = within_policy(Policy::new().mode(Mode::Observe));
    let shared = share(async {
        sleep(2 * BUDGET).await;
        7
    });
    let mut waiting = around.run(|| Box::pin(shared.wait()));
    assert!(poll(waiting.as_mut()).is_pending());
    settle().await;
    for _ in 0..2 {
        advance(BUDGET).await;
        settle().await;
    }
    assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Ok(7))));
}
