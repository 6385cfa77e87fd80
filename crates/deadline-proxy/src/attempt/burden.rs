//! What an upstream is asked to bear: how many attempts, and how many of them are retries.
//!
//! Covers the budget of retries, which all routes and workers share, the counts, and the alarm when an upstream is
//! asked much more often than clients ask. Does not decide when to retry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

use super::minute::{Minute, Period};
use super::{Budget, PlanError};
use crate::count::{self, Attempt, Withheld};

/// How long an attempt counts for the budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// What one upstream is asked to bear, by all workers.
#[derive(Debug)]
pub(crate) struct Burden {
    name: Arc<str>,
    budget: Budget,
    retries: TpsBudget,
    counts: count::Attempts,
    minute: Minute,
    /// The level of the alarm that was told.
    alarm: AtomicU8,
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
            budget,
            retries: TpsBudget::new(BUDGET_WINDOW, min_per_second, share(ratio)),
            counts: count::Attempts::new(upstream),
            minute: Minute::default(),
            alarm: AtomicU8::new(0),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it was made with.
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// It is asked. The one place where an attempt begins. Returns when its request began: `since` of a retry, and now
    /// of any other.
    pub(super) fn ask(&self, kind: Attempt, since: Period) -> Period {
        self.counts.asked(kind);
        match kind {
            Attempt::Retry => {
                self.minute.again(since);
                since
            }
            Attempt::First | Attempt::Fallback => {
                self.retries.deposit();
                self.minute.begin()
            }
        }
    }

    /// Takes one retry from the budget, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        self.retries.withdraw()
    }

    pub(super) fn withheld(&self, reason: Withheld) {
        self.counts.withheld(reason);
    }

    /// It is asked no more. Where the same upstream has another, that has to be measured after this.
    pub(crate) fn unmeasure(&self) {
        self.counts.amplified(0.0, 0);
    }

    /// How often it was asked for each request of the last minute. To be called every [`MEASURED_EVERY`](super::MEASURED_EVERY).
    pub(crate) fn measure(&self) {
        let (amplification, level) = self.minute.turn();
        let before = self.alarm.swap(level, Ordering::Relaxed);
        self.counts.amplified(amplification, level);
        let (upstream, told) = (&self.name, format!("{amplification:.2} attempts for each request in the last minute"));
        match level {
            _ if level == before => {}
            // INFO: what was wrong gets better.
            _ if level < before => tracing::info!(%upstream, "{told}: the alarm falls"),
            // WARN: retries begin to be a burden.
            1 => tracing::warn!(%upstream, "{told}"),
            // ERROR: retries may keep the upstream down, and do not end by themselves.
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
        for _ in 0..requests {
            burden.ask(Attempt::First, Period::default());
        }
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
        burden.ask(Attempt::First, Period::default());
        burden.ask(Attempt::Fallback, Period::default());
        burden.ask(Attempt::Retry, Period::default());
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
    fn what_is_measured_is_told() {
        let told = told(|| {
            let burden = burden(0.2, 1);
            let since = (0..40).map(|_| burden.ask(Attempt::Fallback, Period::default())).last().unwrap();
            (0..20).for_each(|_| assert_eq!(burden.ask(Attempt::Retry, since), since));
            burden.measure();
        });
        assert!(told.contains("deadline_proxy_retry_amplification{upstream=\"orders\"} 1.5\n"), "{told}");
        assert!(told.contains("deadline_proxy_retry_alarm{upstream=\"orders\"} 1\n"), "{told}");
    }
}
