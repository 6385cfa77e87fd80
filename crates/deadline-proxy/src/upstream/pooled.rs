//! What the pools of an upstream have open, over all workers, and what is counted of them.
//!
//! A pool counts nothing of its own accord: whoever measures looks at each every few seconds, so that no request pays
//! for it.

use std::sync::{Mutex, PoisonError, Weak};

use tokio::time::Instant;

use crate::count;

/// What has connections.
pub(super) trait Connections: Send + Sync {
    /// How many are busy, or being made, and how many are idle.
    fn connections(&self) -> (usize, usize);
}

/// The pools of one upstream, and their counts.
#[derive(Debug)]
pub(super) struct Pooled {
    counts: count::Pooled,
    pools: Mutex<Vec<Weak<dyn Connections>>>,
}

impl Pooled {
    pub(super) fn new(upstream: &str) -> Self {
        Self { counts: count::Pooled::new(upstream), pools: Mutex::default() }
    }

    /// From here on this one is measured too, for as long as it is there.
    pub(super) fn join(&self, pool: Weak<dyn Connections>) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
    }

    pub(super) fn measure(&self) {
        let (mut busy, mut idle) = (0, 0);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).retain(|pool| {
            let pool = pool.upgrade();
            let (more_busy, more_idle) = pool.as_ref().map(|pool| pool.connections()).unwrap_or_default();
            (busy, idle) = (busy + more_busy, idle + more_idle);
            pool.is_some()
        });
        self.counts.connections(busy, idle);
    }

    /// Counts that there are none any more.
    pub(super) fn unmeasure(&self) {
        self.counts.connections(0, 0);
    }

    /// A connection was begun, and this is what came of it.
    pub(super) fn connected(&self, outcome: count::Connect) {
        self.counts.connected(outcome);
    }

    /// An attempt waits for what others have, until this is dropped.
    pub(super) fn wait(&self) -> Wait<'_> {
        Wait { counts: &self.counts, since: Instant::now() }
    }
}

/// Somebody who waits.
#[derive(Debug)]
#[must_use = "the wait ends when it is dropped"]
pub(super) struct Wait<'a> {
    counts: &'a count::Pooled,
    since: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.counts.waited(self.since.elapsed());
    }
}
