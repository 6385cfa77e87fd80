//! How many of something there may be at a time.
//!
//! Covers the count, which goes on where the bound is another one: so it is no semaphore, which would lose what is under
//! way together with its bound. Nobody waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for so many at a time. A clone counts with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    /// Room for `most`, all of it free.
    pub(crate) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Room for `most`, of which as much is taken as here. Where that is more, nobody enters until enough have left.
    pub(crate) fn resized(&self, most: usize) -> Self {
        Self { taken: Arc::clone(&self.taken), most }
    }

    /// A place, which is free again once it is dropped; `None` where there is none.
    pub(crate) fn enter(&self) -> Option<Place> {
        let enter = |taken| (taken < self.most).then_some(taken + 1);
        // Nothing but the number is shared by it.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(Place(Arc::clone(&self.taken)))
    }
}

/// A place that is taken. To drop it is to make room.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_again_once_one_has_left() {
        let room = Room::new(2);
        let (first, _second) = (room.enter().unwrap(), room.clone().enter().unwrap());
        assert!(room.enter().is_none());
        drop(first);
        let _third = room.enter().unwrap();
        assert!(room.enter().is_none());
    }

    #[test]
    fn another_bound_counts_who_is_in_already() {
        let room = Room::new(3);
        let mut inside: Vec<_> = (0..3).map(|_| room.enter().unwrap()).collect();
        let (wider, narrower) = (room.resized(4), room.resized(1));
        inside.push(wider.enter().unwrap());
        assert!(wider.enter().is_none() && room.enter().is_none());
        inside.truncate(1);
        assert!(narrower.enter().is_none(), "one is as many as there may be");
        inside.clear();
        assert!(narrower.enter().is_some());
    }
}
