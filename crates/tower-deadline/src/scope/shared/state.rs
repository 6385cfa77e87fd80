//! What the work and its waiters share.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use http_deadline::{Ambient, Deadline};

/// Starts the work as a task, for the first waiter.
type Start<T> = Box<dyn FnOnce(Arc<State<T>>, &Ambient) + Send>;

pub(super) struct State<T>(Mutex<Inner<T>>);

struct Inner<T> {
    phase: Phase<T>,
    next: u64,
    waiters: BTreeMap<u64, Waiter>,
    worker: Option<Waker>,
}

enum Phase<T> {
    Idle(Start<T>),
    Running,
    Done(Arc<T>),
    Stopped,
}

struct Waiter {
    around: Ambient,
    waker: Waker,
}

/// What a waiter finds.
pub(super) enum Found<T> {
    Nothing,
    /// To be cloned without the lock: that is the caller's code.
    Value(Arc<T>),
    Stopped,
}

/// When the longest waiter leaves.
pub(super) enum Until {
    At(Instant),
    /// One of them has no deadline.
    Never,
    /// All have passed, and the work is stopped.
    Passed,
}

impl<T> State<T> {
    pub(super) fn new(start: Start<T>) -> Self {
        let (next, waiters) = (0, BTreeMap::new());
        Self(Mutex::new(Inner { phase: Phase::Idle(start), next, waiters, worker: None }))
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.lock().phase, Phase::Stopped)
    }

    /// Looks for the value; where there is none yet, becomes a waiter or stays one. The first one starts the work.
    pub(super) fn join(self: &Arc<Self>, key: &mut Option<u64>, around: &Ambient, waker: &Waker) -> Found<T> {
        let mut inner = self.lock();
        match &inner.phase {
            Phase::Done(value) => return Found::Value(Arc::clone(value)),
            Phase::Stopped => return Found::Stopped,
            Phase::Idle(_) | Phase::Running => {}
        }
        let key = *key.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        let waiter = Waiter { around: around.clone(), waker: waker.clone() };
        let old = inner.waiters.insert(key, waiter);
        let started = match inner.phase {
            Phase::Idle(_) => mem::replace(&mut inner.phase, Phase::Running).start(),
            _ => None,
        };
        // Woken, dropped and started without the lock.
        drop(inner);
        drop(old);
        if let Some(start) = started {
            start(Arc::clone(self), around);
        }
        Found::Nothing
    }

    pub(super) fn leave(&self, key: u64) {
        let mut inner = self.lock();
        let left = inner.waiters.remove(&key);
        // Only the longest changes anything.
        let was_longest = |left: &Waiter| inner.waiters.values().all(|other| ends_before(other.bound(), left.bound()));
        let worker = if left.as_ref().is_some_and(was_longest) { inner.worker.take() } else { None };
        drop(inner);
        drop(left);
        worker.into_iter().for_each(Waker::wake);
    }

    /// What the work works under: the deadline of the longest waiter, or none where one has none. Where nobody waits
    /// the work is stopped, and that is an error. Wakes `worker` when the longest leaves; one that comes only moves the
    /// end away, and that is looked at when it is reached.
    pub(super) fn longest(&self, worker: &Waker) -> Result<Option<Deadline>, Nobody> {
        let mut inner = self.lock();
        let old = inner.worker.replace(worker.clone());
        let deadlines = inner.waiters.values().map(|waiter| waiter.around.deadline());
        let longest = deadlines.reduce(|one, other| if ends_before(one, other) { other } else { one });
        if longest.is_none() {
            // Under the same lock: whoever comes now is told so.
            inner.phase = Phase::Stopped;
        }
        drop(inner);
        drop(old);
        longest.ok_or(Nobody)
    }

    /// Looks when the longest waiter leaves, and stops the work if that is over: under one lock, so that nobody is let
    /// in between.
    pub(super) fn until(&self, now: Instant) -> Until {
        let mut inner = self.lock();
        let bounds = inner.waiters.values().map(Waiter::bound);
        match bounds.reduce(|one, other| if ends_before(one, other) { other } else { one }) {
            Some(Some(longest)) if longest.is_expired(now) => {
                inner.phase = Phase::Stopped;
                Until::Passed
            }
            Some(Some(longest)) => Until::At(longest.instant()),
            // The last one that leaves wakes the work.
            Some(None) | None => Until::Never,
        }
    }

    /// The work is over, with a value or without one.
    pub(super) fn finish(&self, value: Option<T>) {
        let value = value.map(Arc::new);
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Running) {
            inner.phase = value.map_or(Phase::Stopped, Phase::Done);
        }
        let waiters = mem::take(&mut inner.waiters);
        let worker = inner.worker.take();
        drop(inner);
        drop(worker);
        waiters.into_values().for_each(|waiter| waiter.waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Phase<T> {
    fn start(self) -> Option<Start<T>> {
        match self {
            Self::Idle(start) => Some(start),
            _ => None,
        }
    }
}

/// Nobody waits.
#[derive(Debug)]
pub(super) struct Nobody;

impl Waiter {
    /// What stops it; one that is only observed is stopped by nothing.
    fn bound(&self) -> Option<Deadline> {
        let observed = self.around.journey().is_some_and(|journey| journey.policy().is_observed());
        self.around.deadline().filter(|_| !observed)
    }
}

/// Whether the first is the sooner; without a deadline there is no end.
fn ends_before(one: Option<Deadline>, other: Option<Deadline>) -> bool {
    match (one, other) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(one), Some(other)) => one.instant() < other.instant(),
    }
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        let phase = match inner.phase {
            Phase::Idle(_) => "idle",
            Phase::Running => "running",
            Phase::Done(_) => "done",
            Phase::Stopped => "stopped",
        };
        f.debug_struct("State")
            .field("phase", &phase)
            .field("waiters", &inner.waiters.len())
            .finish_non_exhaustive()
    }
}
