//! What the work and its waiters share.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use http_deadline::{Ambient, Deadline};

/// Starts the work as a task.
type Start<T> = Box<dyn FnOnce(Arc<State<T>>) + Send>;

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
    Done(T),
    Stopped,
}

struct Waiter {
    around: Ambient,
    waker: Waker,
}

/// What a waiter finds.
pub(super) enum Found<T> {
    Nothing,
    Value(T),
    Stopped,
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
    pub(super) fn join(self: &Arc<Self>, key: &mut Option<u64>, around: &Ambient, waker: &Waker) -> Found<T>
    where
        T: Clone,
    {
        let mut inner = self.lock();
        match &inner.phase {
            Phase::Done(value) => return Found::Value(value.clone()),
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
            start(Arc::clone(self));
        }
        Found::Nothing
    }

    pub(super) fn leave(&self, key: u64) {
        let mut inner = self.lock();
        let left = inner.waiters.remove(&key);
        let worker = inner.worker.take();
        drop(inner);
        drop(left);
        worker.into_iter().for_each(Waker::wake);
    }

    /// The deadline of the longest waiter, or none where one has none; an error where nobody waits. Wakes `worker`
    /// when a waiter leaves; one that comes only moves the end away, and that is looked at when it is reached.
    pub(super) fn longest(&self, worker: &Waker) -> Result<Option<Deadline>, Nobody> {
        let mut inner = self.lock();
        let old = inner.worker.replace(worker.clone());
        let deadlines = inner.waiters.values().map(|waiter| bound(&waiter.around));
        let longest = deadlines.reduce(|one, other| one.zip(other).map(|(one, other)| later(one, other)));
        drop(inner);
        drop(old);
        longest.ok_or(Nobody)
    }

    /// The work is over, with a value or without one.
    pub(super) fn finish(&self, value: Option<T>) {
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Running) {
            return;
        }
        inner.phase = value.map_or(Phase::Stopped, Phase::Done);
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

/// What stops a waiter; one that is only observed is stopped by nothing.
fn bound(around: &Ambient) -> Option<Deadline> {
    let observed = around.journey().is_some_and(|journey| journey.policy().is_observed());
    around.deadline().filter(|_| !observed)
}

fn later(one: Deadline, other: Deadline) -> Deadline {
    if other.instant() > one.instant() { other } else { one }
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
