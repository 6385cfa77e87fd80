//! What the leases of one pool share.
//!
//! Covers the adapter, the settings, the tasks that bring connections to rest, and the wait for all of them at the end.
//! Does not bring anything to rest: [`settle`](super::settle) does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::adapter::Adapter;
use crate::{Settings, timer};

/// An adapter, with what its leases share.
pub struct Engine<A> {
    adapter: A,
    settings: Settings,
    cancels: Semaphore,
    /// One for each lease that is out, and for each task that brings a connection to rest.
    out: TaskTracker,
    /// For whoever is dropped outside of a runtime.
    runtime: Option<Handle>,
}

/// Connections that were still out when the time for a [`drain`](Engine::drain) was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undrained {
    /// How many are lent, or being brought to rest.
    pub connections: usize,
}

impl<A: Adapter> Engine<A> {
    /// Statements by this adapter, stopped by these settings. Made within a runtime, connections are brought to rest in
    /// it, also where a lease is dropped outside of one.
    #[must_use]
    pub fn new(adapter: A, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            adapter,
            cancels: Semaphore::new(settings.max_cancels),
            settings,
            out: TaskTracker::new(),
            runtime: Handle::try_current().ok(),
        })
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &A {
        &self.adapter
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it gives out no more connections, because it was [drained](Self::drain).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Gives out no more connections, and waits until those that are out are back, or closed: for a clean end of the
    /// process, after the last request. It may be dropped and called again.
    ///
    /// # Errors
    ///
    /// How many are still out after `limit`.
    pub async fn drain(&self, limit: Duration) -> Result<(), Undrained> {
        self.out.close();
        match timer::within(limit, self.out.wait()).await {
            Some(()) => Ok(()),
            None => Err(Undrained { connections: self.out.len() }),
        }
    }

    pub(super) fn token(&self) -> TaskTrackerToken {
        self.out.token()
    }

    pub(super) fn cancels(&self) -> &Semaphore {
        &self.cancels
    }

    /// Runs a task that a drain waits for. Without a runtime it is dropped here and now.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.out.track_future(task);
        if let Ok(here) = Handle::try_current() {
            here.spawn(task);
        } else if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }
}

impl<A> fmt::Debug for Engine<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("settings", &self.settings)
            .field("out", &self.out.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Undrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections to the database are still in use", self.connections)
    }
}

impl std::error::Error for Undrained {}
