//! How many connections there may be, in the whole process.
//!
//! Covers the count, and who is over it: as long as a small reserve lasts, they are still answered (by
//! [`refuse`](super::refuse)), so that a client sees a 503 and not a broken network; beyond it they are dropped,
//! because answering costs memory too.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::count::{self, Refusal};

/// Who may be answered beside the limit: enough for a burst of balancers and probes to see why, too few to matter.
const RESERVE: usize = 64;

/// The connections of a process. A clone counts with its origin.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    served: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    is_counted: bool,
}

/// What becomes of a connection that was accepted.
#[derive(Debug)]
pub enum Entry {
    /// It is served.
    Served(Slot),
    /// It is answered, once, that there is no room.
    Refused(Slot),
    /// It is closed at once.
    Dropped,
}

/// The place of one connection. To drop it is to make room.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    is_counted: bool,
}

impl ConnectionSlots {
    /// Room for `connections`, and a reserve of 64 more that are only answered.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let served = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Self { served, reserve: Arc::new(Semaphore::new(RESERVE)), is_counted: true }
    }

    /// Leaves these connections out of what is counted of clients.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.is_counted = false;
        self
    }

    /// A place among those that are served, if there is one. Counts nothing where there is none.
    #[must_use]
    pub fn try_enter(&self) -> Option<Slot> {
        self.take(&self.served)
    }

    /// What becomes of one more connection. Counts it.
    #[must_use]
    pub fn enter(&self) -> Entry {
        if let Some(slot) = self.try_enter() {
            return Entry::Served(slot);
        }
        match self.take(&self.reserve) {
            Some(slot) => {
                count::refused(Refusal::Connections);
                Entry::Refused(slot)
            }
            None => {
                count::refused(Refusal::Dropped);
                Entry::Dropped
            }
        }
    }

    fn take(&self, room: &Arc<Semaphore>) -> Option<Slot> {
        let permit = Arc::clone(room).try_acquire_owned().ok()?;
        if self.is_counted {
            count::connection_opened();
        }
        Some(Slot { _permit: permit, is_counted: self.is_counted })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_counted {
            count::connection_closed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_limit_a_few_are_answered_and_the_others_dropped() {
        let slots = ConnectionSlots::new(2);
        let other_worker = slots.clone();
        let first = slots.enter();
        let second = other_worker.enter();
        assert!(matches!((&first, &second), (Entry::Served(_), Entry::Served(_))));
        assert!(slots.try_enter().is_none());
        let mut refused: Vec<Entry> = (0..RESERVE).map(|_| slots.enter()).collect();
        assert!(refused.iter().all(|entry| matches!(entry, Entry::Refused(_))));
        assert!(matches!(other_worker.enter(), Entry::Dropped));
        refused.pop();
        assert!(matches!(slots.enter(), Entry::Refused(_)));
        drop(first);
        assert!(matches!(other_worker.enter(), Entry::Served(_)));
    }
}
