//! Whether the proxy takes requests, and whether it lives.
//!
//! Covers what `/readyz` and `/healthz` say, and why. Two questions: one that is not ready is left alone until it is; one
//! that is not well will not recover by waiting, and is to be started anew. Does not look at anything itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::worker::{LOOK_EVERY, Life};

/// Whether the proxy takes requests. A clone tells the same. It does, unless it is told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// How each worker was found last; none before the first look.
    workers: Vec<Life>,
}

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    Starting,
    #[default]
    Serving,
    Draining,
    /// Another process serves in its place.
    HandedOver,
}

/// Why it is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Not all that it needs is there yet.
    Starting,
    /// It has been told to stop.
    Draining,
    /// The worker of this number does not carry what it should.
    Worker(usize, Life),
}

impl Readiness {
    /// It does not yet; [`serve`](Self::serve) ends this.
    #[must_use]
    pub fn starting() -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Starting, workers: Vec::new() })))
    }

    /// From here on it does, unless it drains already.
    pub fn serve(&self) {
        let mut state = self.state();
        if state.phase == Phase::Starting {
            state.phase = Phase::Serving;
        }
    }

    /// From here on it does not.
    pub fn drain(&self) {
        self.state().phase = Phase::Draining;
    }

    /// From here on another process does in its place. Whoever still asks this one is told that all is well, because it is.
    pub(crate) fn hand_over(&self) {
        self.state().phase = Phase::HandedOver;
    }

    /// Takes note of how each worker was found. Returns what is new: those that are otherwise than they were, in kind.
    pub(crate) fn found(&self, workers: Vec<Life>) -> Vec<(usize, Life)> {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.workers, workers);
        let before = before.into_iter().chain(std::iter::repeat(Life::Moves));
        let pairs = state.workers.iter().zip(before).enumerate();
        let changed = pairs.filter(|(_, (now, before))| kind(**now) != kind(*before));
        let changed = changed.map(|(worker, (now, _))| (worker, *now));
        // A worker that has nothing left to do ends, and nobody is to be told.
        changed.filter(|(_, now)| *now != Life::Ended || !state.phase.is_end()).collect()
    }

    /// Why it takes no requests, all of it; nothing where it does.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Starting => Some(Reason::Starting),
            Phase::Serving | Phase::HandedOver => None,
            Phase::Draining => Some(Reason::Draining),
        };
        phase.into_iter().chain(state.ills()).collect()
    }

    /// What will not pass by waiting, all of it; nothing where it is well.
    pub(crate) fn ills(&self) -> Vec<Reason> {
        self.state().ills().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    /// Whether its workers end by themselves.
    fn is_end(self) -> bool {
        matches!(self, Self::Draining | Self::HandedOver)
    }
}

impl State {
    fn ills(&self) -> impl Iterator<Item = Reason> {
        let is_ill = |life: Life| match life {
            Life::Moves => false,
            Life::Stuck(_) => true,
            Life::Ended => !self.phase.is_end(),
        };
        let workers = self.workers.iter().copied().enumerate();
        workers.filter(move |(_, life)| is_ill(*life)).map(|(worker, life)| Reason::Worker(worker, life))
    }
}

/// For how long it has been still is no news.
fn kind(life: Life) -> Life {
    match life {
        Life::Stuck(_) => Life::Stuck(0),
        other => other,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Draining => f.write_str("draining"),
            Self::Worker(worker, Life::Stuck(looks)) => {
                write!(f, "worker-{worker}: has not moved for {:?}", LOOK_EVERY * *looks)
            }
            Self::Worker(worker, Life::Ended) => write!(f, "worker-{worker}: ended"),
            Self::Worker(worker, Life::Moves) => write!(f, "worker-{worker}: moves"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reasons: &[Reason]) -> Vec<String> {
        reasons.iter().map(ToString::to_string).collect()
    }

    /// A probe that was let in by the old process a moment before.
    #[test]
    fn one_that_has_handed_over_is_ready_as_the_other_is_and_its_workers_may_end() {
        let readiness = Readiness::default();
        readiness.hand_over();
        assert!(readiness.found(vec![Life::Ended]).is_empty());
        assert!(readiness.reasons().is_empty() && readiness.ills().is_empty());
    }

    #[test]
    fn it_is_ready_from_the_end_of_its_start_to_its_drain() {
        let readiness = Readiness::starting();
        assert_eq!(told(&readiness.reasons()), ["starting"]);
        readiness.serve();
        assert_eq!(readiness.reasons(), []);
        readiness.drain();
        readiness.serve();
        assert_eq!(told(&readiness.reasons()), ["draining"]);
        assert_eq!(readiness.ills(), []);
        assert_eq!(Readiness::default().reasons(), []);
    }

    #[test]
    fn a_worker_that_does_not_move_is_named_for_both_questions() {
        let readiness = Readiness::default();
        readiness.found(vec![Life::Moves, Life::Stuck(6), Life::Ended]);
        let lines = ["worker-1: has not moved for 6s", "worker-2: ended"];
        assert_eq!(
            (told(&readiness.reasons()), told(&readiness.ills())),
            (lines.map(String::from).to_vec(), lines.map(String::from).to_vec())
        );
        readiness.found(vec![Life::Moves; 3]);
        assert_eq!((readiness.reasons(), readiness.ills()), (vec![], vec![]));
    }

    #[test]
    fn that_a_worker_ends_is_no_ill_of_a_proxy_that_drains_and_that_one_is_stuck_is() {
        let readiness = Readiness::default();
        readiness.drain();
        assert_eq!(readiness.found(vec![Life::Ended, Life::Stuck(5)]), [(1, Life::Stuck(5))]);
        assert_eq!(told(&readiness.reasons()), ["draining", "worker-1: has not moved for 5s"]);
        assert_eq!(told(&readiness.ills()), ["worker-1: has not moved for 5s"]);
    }

    #[test]
    fn only_what_is_new_is_returned() {
        let readiness = Readiness::default();
        assert_eq!(readiness.found(vec![Life::Moves, Life::Moves]), []);
        assert_eq!(readiness.found(vec![Life::Moves, Life::Stuck(5)]), [(1, Life::Stuck(5))]);
        assert_eq!(readiness.found(vec![Life::Ended, Life::Stuck(6)]), [(0, Life::Ended)]);
        assert_eq!(readiness.found(vec![Life::Ended, Life::Moves]), [(1, Life::Moves)]);
    }
}
