//! What became of calls.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http_deadline::{Deadline, current};

/// Counts calls: how many there were, how many run, and how many were dropped before they were done. A clone
/// is the same probe.
///
/// ```
/// use deadline_testkit::Probe;
///
/// let probe = Probe::default();
/// let call = probe.watch(std::future::pending::<()>());
/// assert_eq!((probe.called(), probe.in_flight(), probe.dropped()), (1, 1, 0));
/// drop(call);
/// assert_eq!((probe.called(), probe.in_flight(), probe.dropped()), (1, 0, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    called: AtomicUsize,
    done: AtomicUsize,
    dropped: AtomicUsize,
    released: AtomicUsize,
    after_end: AtomicUsize,
    at_drop: Mutex<Option<Deadline>>,
}

impl Probe {
    /// A future that counts as a call, from here to its end.
    pub fn watch<F: Future>(&self, future: F) -> Probed<F> {
        self.0.called.fetch_add(1, Ordering::Relaxed);
        Probed { future: Some(Box::pin(future)), probe: self.clone() }
    }

    /// How many calls there were.
    #[must_use]
    pub fn called(&self) -> usize {
        self.0.called.load(Ordering::Relaxed)
    }

    /// How many calls run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.called() - self.0.done.load(Ordering::Relaxed) - self.dropped()
    }

    /// How many calls were dropped before they were done.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How many calls there are still, done or not: a future that is kept after its end counts.
    #[must_use]
    pub fn held(&self) -> usize {
        self.called() - self.0.released.load(Ordering::Relaxed)
    }

    /// How often a call was polled again after it was done.
    #[must_use]
    pub fn polled_after_end(&self) -> usize {
        self.0.after_end.load(Ordering::Relaxed)
    }

    /// The ambient deadline when a call was last dropped before it was done.
    #[must_use]
    pub fn deadline_at_drop(&self) -> Option<Deadline> {
        *self.0.at_drop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future that a [`Probe`] watches.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Probed<F> {
    /// `None` once it is done.
    future: Option<Pin<Box<F>>>,
    probe: Probe,
}

impl<F: Future> Future for Probed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else {
            self.probe.0.after_end.fetch_add(1, Ordering::Relaxed);
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
            self.probe.0.done.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<F> Drop for Probed<F> {
    fn drop(&mut self) {
        self.probe.0.released.fetch_add(1, Ordering::Relaxed);
        if self.future.is_some() {
            let Counters { dropped, at_drop, .. } = &*self.probe.0;
            dropped.fetch_add(1, Ordering::Relaxed);
            *at_drop.lock().unwrap_or_else(PoisonError::into_inner) = current();
        }
    }
}
