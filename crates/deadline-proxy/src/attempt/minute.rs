//! How often an upstream was asked for each request of the last minute.
//!
//! Covers the requests and their retries, and when there are too many of these. A retry counts with its request,
//! whenever it is made: otherwise the retries that follow a burst, or outlast it, would be those of hardly any request.
//! Does not tell anybody.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a period is.
pub(crate) const MEASURED_EVERY: Duration = Duration::from_secs(5);
/// So many of these are what is measured: the last minute.
const PERIODS: usize = 12;

/// Attempts for each request, from which on somebody should look, and should hurry.
const ALARMS: [f64; 2] = [1.3, 2.8];
/// With fewer requests a minute nobody is woken: one with two retries would do.
const ALARM_AT_LEAST: u64 = 20;

/// The requests of the last minute, by the period that they began in.
#[derive(Debug, Default)]
pub(super) struct Minute {
    periods: [Counted; PERIODS],
    now: AtomicUsize,
}

#[derive(Debug, Default)]
struct Counted {
    requests: AtomicU64,
    retries: AtomicU64,
}

/// When a request began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Period(usize);

impl Minute {
    /// A request begins.
    pub(super) fn begin(&self) -> Period {
        let now = self.now.load(Ordering::Relaxed);
        self.periods[now % PERIODS].requests.fetch_add(1, Ordering::Relaxed);
        Period(now)
    }

    /// One that began then is made again.
    pub(super) fn again(&self, since: Period) {
        if self.now.load(Ordering::Relaxed).saturating_sub(since.0) < PERIODS {
            self.periods[since.0 % PERIODS].retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends a period. Returns the attempts for each request of the last minute, and the level of the alarm.
    pub(super) fn turn(&self) -> (f64, u8) {
        let sum = |counted: fn(&Counted) -> &AtomicU64| {
            self.periods.iter().map(|period| counted(period).load(Ordering::Relaxed)).sum()
        };
        let measured = measure(sum(|counted| &counted.requests), sum(|counted| &counted.retries));
        let next = self.now.load(Ordering::Relaxed).wrapping_add(1);
        let oldest = &self.periods[next % PERIODS];
        oldest.requests.store(0, Ordering::Relaxed);
        oldest.retries.store(0, Ordering::Relaxed);
        self.now.store(next, Ordering::Relaxed);
        measured
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody is asked so often within a minute")]
fn measure(requests: u64, retries: u64) -> (f64, u8) {
    let amplification = 1.0 + retries as f64 / requests.max(1) as f64;
    let counts = requests >= ALARM_AT_LEAST;
    let passed = ALARMS.iter().filter(|alarm| counts && amplification >= **alarm).count();
    (amplification, u8::try_from(passed).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many requests, and retries of the last.
    fn asked(minute: &Minute, requests: u64, retries: u64) -> Period {
        let since = (0..requests).map(|_| minute.begin()).last().unwrap_or_default();
        (0..retries).for_each(|_| minute.again(since));
        since
    }

    #[test]
    fn the_alarm_rises_at_its_levels_and_falls_a_minute_later() {
        for (requests, retries, level) in
            [(19, 190, 0), (100, 29, 0), (100, 30, 1), (100, 179, 1), (100, 180, 2), (20, 6, 1)]
        {
            let minute = Minute::default();
            asked(&minute, requests, retries);
            let told: Vec<_> = (0..=PERIODS).map(|_| minute.turn().1).collect();
            assert!(told[..PERIODS].iter().all(|told| *told == level), "{requests}, {retries}: {told:?}");
            assert_eq!(told[PERIODS], 0, "{requests}, {retries}");
        }
    }

    #[test]
    fn a_retry_is_one_of_its_request_whenever_it_comes() {
        let minute = Minute::default();
        let burst = asked(&minute, 100, 10);
        let mut told = Vec::new();
        for _ in 0..PERIODS + 3 {
            minute.again(burst);
            told.push(minute.turn().0);
        }
        let expected: Vec<_> = (0..PERIODS).map(|period| 1.0 + (11 + period) as f64 / 100.0).collect();
        assert_eq!(told[..PERIODS], expected);
        assert_eq!(told[PERIODS..], [1.0; 3], "nobody was asked for the last minute");
        assert_eq!(asked(&minute, 2, 1), Period(PERIODS + 3));
        assert_eq!(minute.turn(), (1.5, 0), "what came late is gone with its burst");
    }
}
