//! "This test left no task, timer or connection behind."
//!
//! # What is counted
//!
//! - *tasks* of the runtime, by its own count, against the one at [`Leftovers::watch`];
//! - *timers, and whatever else waits* for a call: tokio has no count of timers, but one that is armed keeps the
//!   waker of whoever polled it. So do a channel, a lock, and a socket that somebody waits at. Polled by
//!   [`Leftovers::run`], a call lends a waker that is counted, and after the call each one that is left is somebody
//!   who still waits. What was polled in a task keeps the waker of that task, and is counted with it;
//! - *connections* that were taken through [`Leftovers::connection`].
//!
//! It does not see memory, nor a future that is kept and waits for nothing: a [`Probe`](crate::Probe) does. A task from
//! before that ends in between hides one that is left.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;
use tokio::task::yield_now;

mod connection;

pub use self::connection::Counted;

/// How often the other tasks are let run before something counts as left behind.
const TURNS: usize = 256;

/// Counts what there is before and after.
///
/// ```
/// use deadline_testkit::Leftovers;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let leftovers = Leftovers::watch();
/// let task = leftovers.run(async { tokio::spawn(std::future::pending::<()>()) }).await;
/// assert_eq!(leftovers.left().tasks, 1);
/// task.abort();
/// leftovers.assert_none().await;
/// # }
/// ```
///
/// A timer that outlives the call which polled it:
///
/// ```should_panic
/// use deadline_testkit::Leftovers;
/// use std::{future::poll_fn, task::Poll, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let leftovers = Leftovers::watch();
/// let mut sleep = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
/// leftovers.run(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready()))).await;
/// leftovers.assert_none().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Leftovers {
    tasks: usize,
    runs: Arc<Mutex<Vec<Weak<Relay>>>>,
    connections: Arc<()>,
}

/// What is left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// Tasks, above those that there were.
    pub tasks: usize,
    /// Timers, other places that somebody waits at for a call, and calls that are not done.
    pub waiting: usize,
    /// Connections.
    pub connections: usize,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, waiting, connections } = self;
        write!(f, "tasks: {tasks}, timers or others that wait: {waiting}, connections: {connections}")
    }
}

impl Leftovers {
    /// From here on.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    pub fn watch() -> Self {
        Self { tasks: alive(), runs: Arc::default(), connections: Arc::default() }
    }

    /// Runs a call with a waker that is counted. Dropping it drops the call.
    pub fn run<F: Future>(&self, call: F) -> Run<F> {
        let relay = Arc::new(Relay(Mutex::new(Waker::noop().clone())));
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&relay));
        Run { call: Box::pin(call), relay: Some(relay) }
    }

    /// A connection that counts until it is dropped: a stream of either end.
    pub fn connection<T>(&self, stream: T) -> Counted<T> {
        Counted::new(stream, &self.connections)
    }

    /// What is left behind now.
    #[must_use]
    pub fn left(&self) -> Left {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        Left {
            tasks: alive().saturating_sub(self.tasks),
            waiting: runs.iter().map(Weak::strong_count).sum(),
            connections: Arc::weak_count(&self.connections),
        }
    }

    /// Nothing is left behind, once the other tasks had a few turns to end. Does not wait for the clock.
    ///
    /// # Panics
    ///
    /// With what is left, and the line that called this.
    #[track_caller]
    pub fn assert_none(&self) -> impl Future<Output = ()> {
        let (at, leftovers) = (Location::caller(), self.clone());
        async move {
            for _ in 0..TURNS {
                if leftovers.left() == Left::default() {
                    return;
                }
                yield_now().await;
            }
            let left = leftovers.left();
            assert!(left == Left::default(), "left behind at {at}: {left}");
        }
    }
}

/// A call that [`Leftovers`] watch.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Run<F> {
    call: Pin<Box<F>>,
    /// `None` once the call is done.
    relay: Option<Arc<Relay>>,
}

/// Wakes whoever polls the call.
#[derive(Debug)]
struct Relay(Mutex<Waker>);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl<F: Future> Future for Run<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { call, relay: kept } = &mut *self;
        let Some(relay) = kept else {
            return Poll::Pending;
        };
        cx.waker().clone_into(&mut relay.0.lock().unwrap_or_else(PoisonError::into_inner));
        let waker = Waker::from(Arc::clone(relay));
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            *kept = None;
        }
        polled
    }
}

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[cfg(test)]
mod tests;
