//! What is left, as a database takes it (R40).
//!
//! Covers the deadline that a statement works under and the whole milliseconds that its server is told. Does not send
//! them: each driver does, in the way that its database has.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use http_deadline::{Deadline, whole_millis};

use crate::timer::Alarm;

/// The most milliseconds that the databases take: `statement_timeout` is a signed number of 32 bits.
const MOST: u64 = i32::MAX as u64;

/// What one statement may take: the instant at which we stop it, and the time that its server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    deadline: Option<Deadline>,
    millis: Option<NonZeroU32>,
    begun: Instant,
}

impl Limit {
    /// What is left of this deadline at `now`; `None` where that is less than a millisecond, and nothing may be sent.
    /// The server is told to stop by so much sooner as is in `reserve`, so that its word comes back in time.
    ///
    /// Without a deadline a statement may take as long as it takes.
    ///
    /// ```
    /// use deadline_sql::Limit;
    /// use http_deadline::Deadline;
    /// use std::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let deadline = Deadline::after(now, Duration::from_micros(2_900));
    /// let limit = Limit::of(Some(deadline), Duration::ZERO, now).ok_or("nothing left")?;
    /// assert_eq!(limit.millis().map(u32::from), Some(2), "cut off, so that the server stops first");
    /// let nothing = Limit::of(Some(deadline), Duration::from_millis(2), now);
    /// assert_eq!(nothing, None, "and never zero, which means: no limit");
    /// # Ok::<_, &str>(())
    /// ```
    #[must_use]
    pub fn of(deadline: Option<Deadline>, reserve: Duration, now: Instant) -> Option<Self> {
        let Some(deadline) = deadline else { return Some(Self { deadline: None, millis: None, begun: now }) };
        let millis = whole_millis(deadline.remaining(now).saturating_sub(reserve), MOST)?;
        let millis = NonZeroU32::new(u32::try_from(u64::from(millis)).ok()?)?;
        Some(Self { deadline: Some(deadline), millis: Some(millis), begun: now })
    }

    /// The deadline; `None` where there is none.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The milliseconds that the server is told, at least one; `None` where there is no limit.
    #[must_use]
    pub fn millis(&self) -> Option<NonZeroU32> {
        self.millis
    }

    /// The milliseconds that the server is told where it has a limit of its own besides, which is never lifted.
    #[must_use]
    pub fn millis_under(&self, own: Option<NonZeroU32>) -> Option<NonZeroU32> {
        self.millis.into_iter().chain(own).min()
    }

    /// When the statement was begun.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// What `call` yields; `None` where the deadline is sooner. What is ready at the instant is delivered (R11).
    ///
    /// Dropping the future drops `call`.
    pub fn race<F: Future>(&self, call: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        self.alarm().race(call)
    }

    /// When it has to have been answered.
    pub(crate) fn alarm(&self) -> Alarm {
        Alarm::at(self.deadline.map(|deadline| deadline.instant()))
    }

    /// Whether a server that was told this limit can have stopped the statement for it by `now`. It was told after
    /// [`begun`](Self::begun); its clock may be a thousandth faster than ours.
    #[must_use]
    pub fn is_spent(&self, now: Instant) -> bool {
        let spent = |millis: NonZeroU32| {
            let millis = Duration::from_millis(millis.get().into());
            now.saturating_duration_since(self.begun) + millis / 1000 >= millis
        };
        self.millis.is_some_and(spent)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;

    fn limit(left: Option<Duration>, reserve: Duration) -> Option<Limit> {
        let now = Instant::now();
        Limit::of(left.map(|left| Deadline::after(now, left)), reserve, now)
    }

    // R40
    #[test]
    fn is_cut_off_and_never_zero_and_never_too_much() {
        let micros = Duration::from_micros;
        for (remaining, reserve, millis) in [
            (micros(0), micros(0), None),
            (micros(400), micros(0), None),
            (micros(999), micros(0), None),
            (micros(1_000), micros(0), Some(1)),
            (micros(1_999), micros(0), Some(1)),
            (micros(1_999), micros(1_000), None),
            (micros(2_000), micros(1_000), Some(1)),
            (micros(2_000), micros(9_000), None),
            (Duration::from_secs(60 * 86_400), micros(0), Some(i32::MAX.unsigned_abs())),
        ] {
            let told = limit(Some(remaining), reserve).map(|limit| limit.millis().map(u32::from));
            assert_eq!(told, millis.map(Some), "{remaining:?} - {reserve:?}");
        }
        assert_eq!(limit(None, micros(9)).map(|limit| limit.millis()), Some(None), "no deadline, no limit");
    }

    #[test]
    fn a_limit_of_the_servers_own_is_never_lifted() {
        let second = limit(Some(Duration::from_secs(1)), Duration::ZERO).unwrap();
        for (own, told) in [(None, 1000), (NonZeroU32::new(5000), 1000), (NonZeroU32::new(30), 30)] {
            assert_eq!(second.millis_under(own).map(u32::from), Some(told));
        }
        assert_eq!(limit(None, Duration::ZERO).unwrap().millis_under(NonZeroU32::new(30)).map(u32::from), Some(30));
    }

    #[test]
    fn is_spent_when_the_server_can_have_said_so() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_micros(105_900));
        let limit = Limit::of(Some(deadline), Duration::from_millis(5), now).unwrap();
        for (after, spent) in [(0, false), (99_899, false), (99_900, true), (100_000, true), (500_000, true)] {
            assert_eq!(limit.is_spent(now + Duration::from_micros(after)), spent, "{after} µs");
        }
        assert!(!Limit::of(None, Duration::ZERO, now).unwrap().is_spent(now + Duration::from_secs(9)));
    }
}
