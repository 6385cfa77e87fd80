//! The ledger: what all hops saw of all requests, in memory.
//!
//! Covers keeping the records and waiting until all of them are complete. Does not observe anything itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;
use tower_deadline::{Cause, Journey};

use super::Hop;

/// What one hop saw of one request.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) hop: Hop,
    pub(super) arrived: Instant,
    /// The header that it came with, if any.
    pub(super) field: Option<String>,
    /// What the hop granted; `None` where it could not make sense of the header.
    pub(super) budget: Option<Duration>,
    pub(super) ended: Option<Instant>,
    /// Why it was stopped, if it was.
    pub(super) cause: Option<Cause>,
    /// What the layers know of it, where a handler got to note that.
    pub(super) journey: Option<Journey>,
}

/// The records of all hops, in the order of arrival. A clone is the same ledger.
#[derive(Clone, Debug)]
pub(super) struct Ledger(Arc<watch::Sender<Vec<Entry>>>);

/// The place of one record.
#[derive(Clone, Debug)]
pub(super) struct Page {
    ledger: Ledger,
    index: usize,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// The number of records so far.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The records from this number on.
    pub(super) fn since(&self, first: usize) -> Vec<Entry> {
        self.0.borrow().iter().skip(first).cloned().collect()
    }

    /// Waits until every hop is done with every request, but not longer than `patience`.
    pub(super) async fn settled(&self, patience: Duration) {
        let mut entries = self.0.subscribe();
        let settled = entries.wait_for(|entries| entries.iter().all(|entry| entry.ended.is_some()));
        // A hop that never ends is seen in its record.
        let _ = timeout(patience, settled).await;
    }

    /// A record of its own for a request that has arrived.
    pub(super) fn open(&self, entry: Entry) -> Page {
        let mut index = 0;
        self.0.send_modify(|entries| {
            index = entries.len();
            entries.push(entry);
        });
        Page { ledger: self.clone(), index }
    }
}

impl Page {
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Entry)) {
        self.ledger.0.send_modify(|entries| entries.get_mut(self.index).map_or((), edit));
    }
}
