//! Which configuration serves a request.
//!
//! Covers the exchange of one for another: at once for all workers, between two requests, and never within one.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::serve::Pick;

/// What one reading of the configuration has made: for each worker, a service.
#[derive(Debug)]
pub(super) struct Generation<S>(pub(super) Vec<S>);

/// The generation that serves what comes. A clone is the same.
#[derive(Debug)]
pub(super) struct Current<S>(Arc<ArcSwap<Generation<S>>>);

impl<S> Clone for Current<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Current<S> {
    pub(super) fn new(first: Generation<S>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.0.load().0.len()
    }

    /// From here on this one serves, whatever comes to whichever worker, but for what was [held back](Hold).
    pub(super) fn begin(&self, next: Generation<S>) {
        self.0.store(Arc::new(next));
    }
}

/// Holds connections back in the generation that they have come to: those of a listener that is told otherwise, because what
/// it was told before belongs to the routes of before. A clone holds the same.
#[derive(Debug)]
pub(super) struct Hold<S>(Arc<OnceLock<Arc<Generation<S>>>>);

impl<S> Clone for Hold<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Default for Hold<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S> Hold<S> {
    /// In what serves now. To be called before another generation begins.
    pub(super) fn back(&self, current: &Current<S>) {
        // Who is held back stays so.
        let _ = self.0.set(current.0.load_full());
    }
}

/// Where the connections of one worker, and of one era of a listener, are served.
#[derive(Debug)]
pub(super) struct Desk<S> {
    pub(super) current: Current<S>,
    pub(super) hold: Hold<S>,
    pub(super) worker: usize,
}

impl<S: Clone + Send + Sync + 'static> Pick for Desk<S> {
    type Service = S;

    fn pick(&self) -> S {
        // In this order: what is held back is so before another generation can be seen.
        let current = self.current.0.load();
        let Generation(services) = self.hold.0.get().unwrap_or(&current).as_ref();
        services[self.worker].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(current: &Current<u32>, hold: &Hold<u32>, worker: usize) -> Desk<u32> {
        Desk { current: current.clone(), hold: hold.clone(), worker }
    }

    #[test]
    fn another_generation_serves_all_workers_at_once_but_for_who_is_held_back() {
        let current = Current::new(Generation(vec![10, 11]));
        let (held, free) = (Hold::default(), Hold::default());
        let desks =
            [desk(&current, &held, 0), desk(&current, &held, 1), desk(&current, &free, 0), desk(&current, &free, 1)];
        let served = || desks.each_ref().map(Pick::pick);
        assert_eq!(served(), [10, 11, 10, 11]);
        held.back(&current);
        assert_eq!(served(), [10, 11, 10, 11]);
        current.begin(Generation(vec![20, 21]));
        assert_eq!(served(), [10, 11, 20, 21]);
        held.back(&current);
        current.begin(Generation(vec![30, 31]));
        assert_eq!(served(), [10, 11, 30, 31]);
    }

    /// Two desks of one era are asked in turn while it is held back and another generation begins: never a new one, then an
    /// old one of another.
    #[test]
    fn who_is_held_back_never_sees_another_generation() {
        for _ in 0..200 {
            let (current, hold) = (Current::new(Generation(vec![0])), Hold::default());
            let desk = desk(&current, &hold, 0);
            let asking = std::thread::spawn(move || (0..500).map(|_| desk.pick()).max());
            hold.back(&current);
            current.begin(Generation(vec![1]));
            assert_eq!(asking.join().unwrap(), Some(0));
        }
    }
}
