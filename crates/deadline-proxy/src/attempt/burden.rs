//! What an upstream is asked to bear: how many attempts, and how many of them are retries.
//!
//! Covers the budget of retries, which all routes and workers share, the counts, and the alarm when an upstream is
//! asked much more often than clients ask. Does not decide when to retry.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

use super::{Budget, PlanError};
use crate::count::{self, Attempt, Withheld};

/// How long an attempt counts for the budget, and how often the amplification is measured.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
pub(crate) const MEASURED_EVERY: Duration = Duration::from_secs(5);
/// So many of these are what is measured: the last minute.
const SAMPLES: usize = 12;

/// Attempts for each request, from which on somebody should look, and should hurry.
const ALARMS: [f64; 2] = [1.3, 2.8];
/// With fewer requests a minute nobody is woken: one with two retries would do.
const ALARM_AT_LEAST: u64 = 20;

/// What one upstream is asked to bear, by all workers.
#[derive(Debug)]
pub(crate) struct Burden {
    name: Arc<str>,
    budget: TpsBudget,
    counts: count::Attempts,
    asked: AtomicU64,
    retried: AtomicU64,
    alarm: Mutex<Alarm>,
}

impl Burden {
    /// # Errors
    ///
    /// A budget that is none.
    pub(crate) fn new(upstream: &str, budget: Budget) -> Result<Self, PlanError> {
        let Budget { ratio, min_per_second } = budget;
        if !(0.0..=1000.0).contains(&ratio) || min_per_second > 1_000_000 {
            return Err(PlanError::Budget);
        }
        Ok(Self {
            name: upstream.into(),
            budget: TpsBudget::new(BUDGET_WINDOW, min_per_second, share(ratio)),
            counts: count::Attempts::new(upstream),
            asked: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            alarm: Mutex::default(),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// It is asked. The one place where an attempt begins.
    pub(super) fn ask(&self, kind: Attempt) {
        self.counts.asked(kind);
        match kind {
            Attempt::Retry => drop(self.retried.fetch_add(1, Ordering::Relaxed)),
            Attempt::First | Attempt::Fallback => {
                self.budget.deposit();
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes one retry from the budget, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        self.budget.withdraw()
    }

    pub(super) fn withheld(&self, reason: Withheld) {
        self.counts.withheld(reason);
    }

    /// How often it was asked for each request of the last minute. To be called every [`MEASURED_EVERY`].
    pub(crate) fn measure(&self) {
        let sample = (self.asked.load(Ordering::Relaxed), self.retried.load(Ordering::Relaxed));
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let before = alarm.level;
        let amplification = alarm.measure(sample);
        let level = alarm.level;
        drop(alarm);
        self.counts.amplified(amplification, level);
        let (upstream, told) = (&self.name, format!("{amplification:.2} attempts for each request in the last minute"));
        match level {
            _ if level == before => {}
            _ if level < before => tracing::info!(%upstream, "{told}: the alarm falls"),
            1 => tracing::warn!(%upstream, "{told}"),
            _ => tracing::error!(%upstream, "{told}"),
        }
    }
}

/// The budget counts whole requests for each retry, or whole retries for each request: never more than was asked for.
#[expect(clippy::cast_possible_truncation, reason = "it is from 0 to 1000")]
fn share(ratio: f64) -> f32 {
    if ratio > 0.0 && ratio < 1.0 {
        // In the middle, so that rounding does not reach the next number.
        (1.0 / ((1.0 / ratio - 1e-9).ceil() + 0.5)) as f32
    } else {
        ratio as f32
    }
}

/// What was counted in the last minute, and what is to be thought of it.
#[derive(Debug, Default)]
struct Alarm {
    /// Requests and retries by then; the oldest first.
    samples: VecDeque<(u64, u64)>,
    level: u8,
}

impl Alarm {
    #[expect(clippy::cast_precision_loss, reason = "nobody is asked so often within a minute")]
    fn measure(&mut self, (asked, retried): (u64, u64)) -> f64 {
        let (asked_before, retried_before) = self.samples.front().copied().unwrap_or_default();
        let (requests, retries) = (asked.saturating_sub(asked_before), retried.saturating_sub(retried_before));
        self.samples.push_back((asked, retried));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        let amplification = 1.0 + retries as f64 / requests.max(1) as f64;
        let counts = requests >= ALARM_AT_LEAST;
        let passed = ALARMS.iter().filter(|alarm| counts && amplification >= **alarm).count();
        self.level = u8::try_from(passed).unwrap_or(u8::MAX);
        amplification
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;
    use tokio::time::advance;

    fn burden(ratio: f64, min_per_second: u32) -> Burden {
        Burden::new("orders", Budget { ratio, min_per_second }).unwrap()
    }

    /// How many retries so many requests pay for, beside what is free.
    fn paid(ratio: f64, requests: u32) -> usize {
        let burden = burden(ratio, 0);
        (0..requests).for_each(|_| burden.ask(Attempt::First));
        (0..10 * requests).filter(|_| burden.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_pays_for_no_more_than_its_share() {
        let cases =
            [(0.0, 0), (0.2, 20), (0.1, 10), (0.25, 25), (0.5, 50), (0.3, 25), (0.7, 50), (1.0, 100), (2.0, 200)];
        for (ratio, most) in cases {
            assert_eq!(paid(ratio, 100), most, "{ratio}");
        }
        for each in 2..500 {
            assert_eq!(paid(1.0 / f64::from(each), 1000), 1000 / each as usize, "1 in {each}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_paid_in_is_forgotten_and_some_are_free() {
        let burden = burden(0.5, 1);
        assert_eq!((0..100).filter(|_| burden.withdraw()).count(), 10);
        burden.ask(Attempt::First);
        burden.ask(Attempt::Fallback);
        burden.ask(Attempt::Retry);
        advance(2 * BUDGET_WINDOW).await;
        assert_eq!((0..100).filter(|_| burden.withdraw()).count(), 10, "of ten seconds at one a second");
    }

    #[test]
    fn a_budget_that_is_none_is_refused() {
        for (ratio, min_per_second) in [(-0.1, 1), (f64::NAN, 1), (1001.0, 1), (0.2, u32::MAX)] {
            let refused = Burden::new("orders", Budget { ratio, min_per_second }).unwrap_err();
            assert!(refused.to_string().contains("a ratio from 0 to 1000 is expected"), "{ratio}");
        }
    }

    #[test]
    fn the_alarm_rises_at_its_levels_and_falls_a_minute_later() {
        let told = told(|| {
            let burden = burden(0.2, 1);
            let level = |asked: u64, retried: u64| {
                burden.asked.fetch_add(asked, Ordering::Relaxed);
                burden.retried.fetch_add(retried, Ordering::Relaxed);
                burden.measure();
                burden.alarm.lock().unwrap().level
            };
            assert_eq!(level(19, 190), 0, "too few to say so");
            assert_eq!(level(0, 0), 0);
            (0..SAMPLES).for_each(|_| assert_eq!(level(0, 0), 0));
            assert_eq!(level(100, 29), 0);
            assert_eq!(level(0, 1), 1, "1.3");
            assert_eq!(level(0, 149), 1);
            assert_eq!(level(0, 1), 2, "2.8");
            assert_eq!((0..).position(|_| level(0, 0) == 0), Some(SAMPLES - 4), "a minute after the requests");
            (0..SAMPLES).for_each(|_| assert_eq!(level(0, 0), 0));
            level(10, 5);
        });
        assert!(told.contains("deadline_proxy_retry_amplification{upstream=\"orders\"} 1.5\n"), "{told}");
        assert!(told.contains("deadline_proxy_retry_alarm{upstream=\"orders\"} 0\n"), "{told}");
    }
}
