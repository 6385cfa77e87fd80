//! How an endpoint is: what its answers say, and what it says when it is asked.
//!
//! Covers passive ejection and the verdict of the health checks. Read at each request, written when something changes.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::settings::Ejection;
use super::status::Health;

/// The longest that an endpoint is left out, in times of the shortest.
const AT_MOST: u32 = 10;

#[derive(Debug)]
pub(super) struct Vitals {
    /// Failures in a row.
    failures: AtomicU32,
    /// Whether it is left out. May still be set when the time is up: then that is asked.
    is_ejected: AtomicBool,
    ejected: Mutex<Ejected>,
    /// What the health checks say.
    is_healthy: AtomicBool,
    /// Whether they have said anything yet.
    is_asked: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ejected {
    until: Option<Instant>,
    /// How often, without a long time of being well between.
    times: u32,
    /// Whether the end of it has yet to be told.
    is_untold: bool,
}

impl Default for Vitals {
    fn default() -> Self {
        let (failures, is_ejected) = (AtomicU32::new(0), AtomicBool::new(false));
        let (is_healthy, is_asked) = (AtomicBool::new(true), AtomicBool::new(false));
        Self { failures, is_ejected, ejected: Mutex::default(), is_healthy, is_asked }
    }
}

impl Vitals {
    pub(super) fn is_well(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed) && !self.is_ejected()
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    pub(super) fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
    }

    /// It was asked, whatever it said.
    pub(super) fn set_asked(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    pub(super) fn health(&self) -> Health {
        match (self.is_healthy(), self.is_asked.load(Ordering::Relaxed)) {
            (false, _) => Health::Unhealthy,
            (true, true) => Health::Healthy,
            (true, false) => Health::Unknown,
        }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// For how long it is still left out, and how often it was.
    pub(super) fn ejected(&self, now: Instant) -> (Option<Duration>, u32) {
        let ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        let left = ejected.until.map(|until| until.saturating_duration_since(now));
        (left.filter(|left| !left.is_zero()), ejected.times)
    }

    /// Whether it is left out no more, which has not been asked since.
    pub(super) fn has_returned(&self, now: Instant) -> bool {
        let mut ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = ejected.until.is_some_and(|until| until <= now);
        is_over && std::mem::take(&mut ejected.is_untold)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.is_ejected.load(Ordering::Relaxed) && self.is_still_ejected(Instant::now())
    }

    #[cold]
    fn is_still_ejected(&self, now: Instant) -> bool {
        let ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ejected = ejected.until.is_some_and(|until| now < until);
        self.is_ejected.store(is_ejected, Ordering::Relaxed);
        is_ejected
    }

    /// It has answered.
    pub(super) fn answered(&self) {
        // As a rule it is none, and a store would take the line from the other workers.
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It has failed. Returns whether that was once too often.
    pub(super) fn failed(&self, ejection: &Ejection) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        ejection.failures > 0 && failures >= ejection.failures
    }

    /// Leaves it out, for longer each time; once it was well for as long as it can be left out, from the beginning.
    pub(super) fn eject(&self, ejection: &Ejection, now: Instant) -> Duration {
        let mut ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long_ago = |until: Instant| now.saturating_duration_since(until) >= ejection.base * AT_MOST;
        if ejected.until.is_some_and(is_long_ago) {
            ejected.times = 0;
        }
        ejected.times = (ejected.times + 1).min(AT_MOST);
        let length = ejection.base * ejected.times;
        (ejected.until, ejected.is_untold) = (Some(now + length), true);
        self.failures.store(0, Ordering::Relaxed);
        self.is_ejected.store(true, Ordering::Relaxed);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_is_left_out_for_longer_each_time_until_it_was_well_for_long() {
        let ejection = Ejection { failures: 2, base: Duration::from_secs(30), max_share: 1.0 };
        let vitals = Vitals::default();
        assert!(!vitals.failed(&ejection));
        vitals.answered();
        assert!(!vitals.failed(&ejection) && vitals.failed(&ejection));
        for times in [1, 2, 3] {
            assert_eq!(vitals.eject(&ejection, Instant::now()), Duration::from_secs(30 * times));
            advance(Duration::from_secs(30 * times) - Duration::from_millis(1)).await;
            assert!(!vitals.is_well());
            advance(Duration::from_millis(1)).await;
            assert!(vitals.is_well());
        }
        advance(Duration::from_secs(300) - Duration::from_millis(1)).await;
        assert_eq!(vitals.eject(&ejection, Instant::now()), Duration::from_secs(120));
        advance(Duration::from_secs(120 + 300)).await;
        assert_eq!(vitals.eject(&ejection, Instant::now()), Duration::from_secs(30));
        for _ in 0..20 {
            vitals.eject(&ejection, Instant::now());
        }
        assert_eq!(vitals.eject(&ejection, Instant::now()), Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_being_left_out_is_told_once() {
        let vitals = Vitals::default();
        assert!(!vitals.has_returned(Instant::now()), "it was never left out");
        for times in [1, 2] {
            let length = vitals.eject(&Ejection::default(), Instant::now());
            advance(length - Duration::from_millis(1)).await;
            assert_eq!(vitals.ejected(Instant::now()), (Some(Duration::from_millis(1)), times));
            assert!(!vitals.has_returned(Instant::now()));
            advance(Duration::from_millis(1)).await;
            assert_eq!(vitals.ejected(Instant::now()), (None, times));
            assert!(vitals.has_returned(Instant::now()) && !vitals.has_returned(Instant::now()));
        }
    }

    #[test]
    fn no_failures_are_enough_where_none_eject() {
        let vitals = Vitals::default();
        assert!((0..100).all(|_| !vitals.failed(&Ejection { failures: 0, ..Ejection::default() })));
    }
}
