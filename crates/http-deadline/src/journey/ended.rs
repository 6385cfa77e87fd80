//! Waiting for the end of a journey.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Journey;
use super::phase::{Marks, Phase};

/// Who waits. Made of nothing until the first one does, and locked by nobody before that.
#[derive(Default)]
pub(super) struct Waiting {
    phase: Phase,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// `None` until somebody waits: most journeys end before that.
    wakers: Option<BTreeMap<u64, Waker>>,
}

/// A future that is ready once its [`Journey`] has ended.
#[must_use = "futures do nothing unless polled"]
pub struct Ended {
    journey: Journey,
    key: Option<u64>,
}

impl Waiting {
    pub(super) fn in_phase(phase: Phase) -> Self {
        Self { phase, ..Self::default() }
    }

    #[inline]
    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Adds marks, and wakes everybody to look at them. Not for the end.
    #[inline]
    pub(super) fn mark(&self, marks: Marks) {
        // One word: who waits now is seen here, and who will wait sees the marks.
        if self.phase.add(marks).have(Marks::WAITED) {
            self.wake_all(self.lock());
        }
    }

    /// Wakes everybody, for the end.
    #[inline]
    pub(super) fn end(&self) {
        if !self.phase.end_unless_waited() {
            self.end_waited();
        }
    }

    #[cold]
    fn end_waited(&self) {
        let inner = self.lock();
        self.phase.add(Marks::ENDED);
        self.wake_all(inner);
    }

    /// Does something that whoever waits is then woken to look at; `None`, and nothing done, after the end.
    pub(super) fn wake_all_unless_ended<T>(&self, change: impl FnOnce() -> T) -> Option<T> {
        let inner = self.wait()?;
        // Under the lock: the end comes before all of it, or after.
        let changed = change();
        self.wake_all(inner);
        Some(changed)
    }

    fn poll(&self, key: &mut Option<u64>, waker: &Waker) -> Poll<()> {
        let Some(mut inner) = self.wait() else {
            return Poll::Ready(());
        };
        let key = *key.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        let wakers = inner.wakers.get_or_insert_default();
        let kept = wakers.get(&key).is_some_and(|kept| kept.will_wake(waker));
        let old = if kept { None } else { wakers.insert(key, waker.clone()) };
        // Dropped without the lock, as it is woken.
        drop(inner);
        drop(old);
        Poll::Pending
    }

    /// The lock, under which the journey does not end from now on; `None` where it has ended.
    fn wait(&self) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        let ended = self.phase.add(Marks::WAITED).have(Marks::ENDED);
        (!ended).then_some(inner)
    }

    fn wake_all(&self, mut inner: MutexGuard<'_, Inner>) {
        let wakers = std::mem::take(&mut inner.wakers);
        // Woken without the lock: a waker may run anything, also what waits here.
        drop(inner);
        wakers.into_iter().flat_map(|wakers| wakers.into_values()).for_each(Waker::wake);
    }

    fn forget(&self, key: u64) {
        let waker = self.lock().wakers.as_mut().and_then(|wakers| wakers.remove(&key));
        // Dropped without the lock, as it is woken.
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended {
    pub(super) fn new(journey: Journey) -> Self {
        Self { journey, key: None }
    }

    /// The journey that is waited for.
    #[must_use]
    pub fn journey(&self) -> &Journey {
        &self.journey
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { journey, key } = &mut *self;
        journey.0.waiting.poll(key, cx.waker())
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.journey.0.waiting.forget(key);
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ended").field(&self.journey).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Policy};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(ended: &mut Ended, count: &Arc<Count>) -> bool {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(ended).poll(&mut Context::from_waker(&waker)).is_ready()
    }

    #[test]
    fn everybody_is_woken_once_and_late_comers_need_not_wait() {
        let journey = Journey::new(Arc::new(Policy::new()), false);
        let count = Arc::new(Count::default());
        let (mut first, mut second) = (journey.ended(), journey.ended());
        assert!(!poll(&mut first, &count) && !poll(&mut first, &count) && !poll(&mut second, &count));
        journey.end();
        journey.end();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(poll(&mut first, &count) && poll(&mut journey.ended(), &count));
    }

    #[test]
    fn a_release_wakes_for_another_look_and_is_no_end() {
        let journey = Journey::new(Arc::new(Policy::new()), false);
        let count = Arc::new(Count::default());
        let mut ended = journey.ended();
        assert!(!poll(&mut ended, &count));
        journey.release();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!poll(&mut ended, &count));
        journey.end();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_cancellation_wakes_for_another_look_once_and_is_no_end() {
        let journey = Journey::new(Arc::new(Policy::new()), false);
        let count = Arc::new(Count::default());
        let mut ended = journey.ended();
        assert!(!poll(&mut ended, &count));
        let _ = journey.cancel(Cause::Cancelled, None);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!poll(&mut ended, &count));
    }

    /// A waker that looks at its journey once more when it is dropped, as a task does whose last waker goes.
    struct Looks(Journey);

    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(!self.0.is_ended());
        }
    }

    /// Done by a thread of its own: under the lock it would look for ever.
    #[test]
    fn a_waker_is_replaced_and_forgotten_without_the_lock() {
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let journey = Journey::new(Arc::new(Policy::new()), false);
            let (mut replaced, mut forgotten) = (journey.ended(), journey.ended());
            for ended in [&mut replaced, &mut forgotten] {
                let waker = Waker::from(Arc::new(Looks(journey.clone())));
                assert!(Pin::new(ended).poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert!(!poll(&mut replaced, &Arc::default()));
            drop(forgotten);
            done.send(()).unwrap();
        });
        assert_eq!(finished.recv_timeout(Duration::from_secs(5)), Ok(()), "dropped under the lock");
    }

    #[test]
    fn who_no_longer_waits_leaves_nothing_behind() {
        let journey = Journey::new(Arc::new(Policy::new()), false);
        let count = Arc::new(Count::default());
        let mut ended = journey.ended();
        assert!(!poll(&mut ended, &count));
        drop(ended);
        assert_eq!(Arc::strong_count(&count), 1);
        journey.end();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
