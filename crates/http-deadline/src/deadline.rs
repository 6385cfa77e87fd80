//! The deadline: an instant of this process's monotonic clock.
//!
//! Covers making one, asking what is left, and moving it earlier. Does not ask the time, does not wait.

use std::time::{Duration, Instant};

use crate::Origin;
use crate::dialect::MAX_TIMEOUT;

/// The instant by which a request must be done, when the request arrived, and who decided so.
///
/// It is only ever moved earlier (R1): [`sooner`](Self::sooner) and [`reserve`](Self::reserve) are the only
/// ways from one deadline to another. Being a plain value, it can go into the extensions of a request, into
/// a task, or into another service's call.
///
/// ```
/// use http_deadline::Deadline;
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let deadline = Deadline::after(now, Duration::from_millis(300));
/// assert_eq!(deadline.remaining(now + Duration::from_millis(120)), Duration::from_millis(180));
/// assert!(!deadline.is_expired(now + Duration::from_millis(299)));
/// assert!(deadline.is_expired(now + Duration::from_millis(300)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    arrived: Instant,
    origin: Origin,
}

impl Deadline {
    /// A deadline `timeout` after `now`. Its origin is the calling line.
    ///
    /// A timeout beyond what the clock can express is cut to [`MAX_TIMEOUT`], or to what still fits.
    #[must_use]
    #[track_caller]
    pub fn after(now: Instant, timeout: Duration) -> Self {
        Self { at: later(now, timeout), arrived: now, origin: Origin::code() }
    }

    /// A deadline at an instant. Its origin is the calling line; its [`budget`](Self::budget) is unknown, and
    /// so zero, until [`arrived_at`](Self::arrived_at) tells when the request arrived.
    #[must_use]
    #[track_caller]
    pub fn at(at: Instant) -> Self {
        Self { at, arrived: at, origin: Origin::code() }
    }

    /// The same deadline for a request that arrived at `arrived`.
    #[must_use]
    pub fn arrived_at(self, arrived: Instant) -> Self {
        Self { arrived, ..self }
    }

    /// The same deadline, set by `origin`.
    #[must_use]
    #[inline]
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.at
    }

    /// When the request arrived.
    #[must_use]
    pub fn arrived(self) -> Instant {
        self.arrived
    }

    /// Who set it.
    #[must_use]
    pub fn origin(self) -> Origin {
        self.origin
    }

    /// The whole time that was granted at arrival.
    #[must_use]
    pub fn budget(self) -> Duration {
        self.at.saturating_duration_since(self.arrived)
    }

    /// The time since arrival.
    #[must_use]
    pub fn elapsed(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.arrived)
    }

    /// What is left; zero at the instant and after it.
    #[must_use]
    #[inline]
    pub fn remaining(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// What is left, or `None` at the instant and after it.
    #[must_use]
    pub fn checked_remaining(self, now: Instant) -> Option<Duration> {
        Some(self.remaining(now)).filter(|left| !left.is_zero())
    }

    /// Whether nothing is left: true at the very instant.
    #[must_use]
    #[inline]
    pub fn is_expired(self, now: Instant) -> bool {
        now >= self.at
    }

    /// The sooner of the two; of two at the same instant, `self`.
    #[must_use]
    #[inline]
    pub fn sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// The same deadline, `reserve` earlier: what may be spent on a call if `reserve` is kept back for the
    /// answer.
    #[must_use]
    #[inline]
    pub fn reserve(self, reserve: Duration) -> Self {
        if reserve.is_zero() {
            return self;
        }
        // Where the clock cannot go back that far, nothing is left since arrival either.
        let at = self.at.checked_sub(reserve).unwrap_or(self.arrived);
        Self { at: at.min(self.at), ..self }
    }
}

fn later(now: Instant, timeout: Duration) -> Instant {
    let mut timeout = timeout.min(MAX_TIMEOUT);
    loop {
        match now.checked_add(timeout) {
            Some(at) => return at,
            None => timeout /= 2,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn counts_down_before_at_and_after_the_instant() {
        let now = Instant::now();
        let deadline = Deadline::after(now, 300 * MS);
        for (at, left) in [(0, 300), (299, 1), (300, 0), (301, 0)] {
            let then = now + at * MS;
            assert_eq!(deadline.remaining(then), left * MS);
            assert_eq!(deadline.checked_remaining(then), (left > 0).then(|| left * MS));
            assert_eq!(deadline.is_expired(then), left == 0);
            assert_eq!(deadline.elapsed(then), at * MS);
        }
        assert_eq!(deadline.budget(), 300 * MS);
    }

    #[test]
    fn only_ever_moves_earlier() {
        let now = Instant::now();
        let (short, long) = (Deadline::after(now, 2 * MS), Deadline::after(now, 3 * MS));
        assert_eq!(short.sooner(long), short);
        assert_eq!(long.sooner(short), short);
        let twin = Deadline::after(now, 2 * MS);
        assert_eq!(short.sooner(twin).origin(), short.origin(), "of equals the first stays");
        assert_eq!(long.reserve(MS).instant(), short.instant());
        assert_eq!(long.reserve(MS).arrived(), now);
        assert!(long.reserve(Duration::MAX).is_expired(now));
        assert_eq!(Deadline::at(now + 3 * MS).reserve(MS).instant(), short.instant());
    }

    #[test]
    fn a_timeout_without_end_does_not_overflow() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::MAX);
        assert!(deadline.remaining(now) > Duration::from_secs(86_400 * 365));
    }

    #[test]
    fn an_instant_has_a_budget_once_the_arrival_is_known() {
        let now = Instant::now();
        let deadline = Deadline::at(now + 5 * MS);
        assert_eq!(deadline.budget(), Duration::ZERO);
        assert_eq!(deadline.arrived_at(now).budget(), 5 * MS);
    }
}
