//! The arithmetic of patience, as a function of `now`.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Rate;

/// What is left of a body's grace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    rate: Rate,
    left: Duration,
    /// Since when somebody waits; `None`: nobody does.
    since: Option<Instant>,
}

impl Patience {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, left: rate.grace, since: None }
    }

    /// Somebody asked, and nothing was there. Returns when patience ends, if nothing comes until then.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        // A grace beyond the end of time never ends.
        since.checked_add(self.left).unwrap_or(now + Duration::from_secs(86_400))
    }

    /// This much has come.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) {
        let waited = self.since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1).saturating_mul(bytes) / self.rate.bytes;
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.rate.grace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate = Rate { bytes: 100, grace: Duration::from_secs(10) };

    #[tokio::test(start_paused = true)]
    async fn waiting_uses_it_up_and_bytes_renew_it() {
        let (start, mut patience) = (Instant::now(), Patience::new(RATE));
        assert_eq!(patience.wait(start), start + 10 * SECOND);
        assert_eq!(patience.wait(start + 3 * SECOND), start + 10 * SECOND, "it counts from the first");
        patience.came(200, start + 6 * SECOND);
        // Nobody waited for an hour: that is not the client's time.
        let later = start + 3_600 * SECOND;
        assert_eq!(patience.wait(later), later + 6 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_saves_up_more_than_the_grace() {
        let (start, mut patience) = (Instant::now(), Patience::new(RATE));
        patience.came(usize::MAX, start);
        assert_eq!(patience.wait(start), start + RATE.grace);
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_to_the_floor_never_runs_out_and_who_is_under_it_does() {
        let lasts = |bytes: usize| {
            let (mut now, mut patience) = (Instant::now(), Patience::new(RATE));
            (0..10_000).all(|_| {
                let end = patience.wait(now);
                now += SECOND;
                patience.came(bytes, now);
                now < end
            })
        };
        assert!(lasts(100));
        assert!(!lasts(99));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_grace_does_not_overflow() {
        let mut patience = Patience::new(Rate { bytes: 1, grace: Duration::MAX });
        let now = Instant::now();
        assert!(patience.wait(now) > now);
        patience.came(usize::MAX, now);
    }
}
