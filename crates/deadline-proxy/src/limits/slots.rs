//! How many connections there may be, in the whole process.
//!
//! Covers the count, and who is over it: as long as a small reserve lasts, they are still answered (by
//! [`refuse`](super::refuse)), so that a client sees a 503 and not a broken network; beyond it they are dropped,
//! because answering costs memory too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::count::{self, Refusal};

/// Who may be answered beside the limit: enough for a burst of balancers and probes to see why, too few to matter.
const RESERVE: usize = 64;

/// The connections of a process. A clone counts with its origin.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    served: Room,
    reserve: Room,
    is_counted: bool,
}

/// So many, of which some are taken.
#[derive(Clone, Debug)]
struct Room {
    taken: Arc<AtomicUsize>,
    most: usize,
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
    taken: Arc<AtomicUsize>,
    is_counted: bool,
}

impl ConnectionSlots {
    /// Room for `connections`, and a reserve of 64 more that are only answered.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let room = |most| Room { taken: Arc::default(), most };
        Self { served: room(connections), reserve: room(RESERVE), is_counted: true }
    }

    /// Room for so many from here on, among which those count that are there already. Nobody is sent away.
    #[must_use]
    pub fn resized(&self, connections: usize) -> Self {
        Self { served: Room { most: connections, ..self.served.clone() }, ..self.clone() }
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

    fn take(&self, room: &Room) -> Option<Slot> {
        let one_more = |taken| (taken < room.most).then_some(taken + 1);
        room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        if self.is_counted {
            count::connection_opened();
        }
        Some(Slot { taken: Arc::clone(&room.taken), is_counted: self.is_counted })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
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
    #[test]
    fn who_is_there_counts_among_more_and_among_fewer() {
        let two = ConnectionSlots::new(2);
        let mut there: Vec<_> = (0..2).map(|_| two.try_enter().unwrap()).collect();
        let three = two.resized(3);
        there.push(three.try_enter().unwrap());
        assert!(three.try_enter().is_none());
        let one = three.resized(1);
        for _ in 0..2 {
            assert!(one.try_enter().is_none());
            there.pop();
        }
        assert!(one.try_enter().is_none());
        there.pop();
        let _last = one.try_enter().unwrap();
        assert!(one.try_enter().is_none());
    }
}
