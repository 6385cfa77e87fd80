//! Arriving: what was asked for, bounded by a policy, becomes a deadline or a refusal.
//!
//! Covers the decision as a function of `now`. Does not read headers ([`Dialects::read`](crate::Dialects::read)
//! does) and answers nobody.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::dialect::{Asked, Malformed};
use crate::{Cause, Deadline, Exceeded, OnInvalid, OnMissing, Origin, Policy, Stage};

/// A request that was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    deadline: Option<Deadline>,
    client_asked: bool,
    truncated: bool,
    /// Boxed: hardly ever there, and moved with each request.
    would_refuse: Option<Box<Refusal>>,
}

/// Why a request was not let in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It came too late, or with less than the policy's least budget.
    Exceeded(Exceeded),
    /// One of its deadline fields is malformed.
    Malformed(Malformed),
    /// The policy wants a deadline field, and it has none.
    Missing,
}

impl Admitted {
    /// The deadline, if the client or the policy set one.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether a valid client field was present, whoever's limit binds (R18).
    #[must_use]
    pub fn client_asked(&self) -> bool {
        self.client_asked
    }

    /// Whether the client asked for more than it was granted.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// What an enforcing policy would have refused the request for; always `None` from one.
    #[must_use]
    pub fn would_refuse(&self) -> Option<&Refusal> {
        self.would_refuse.as_deref()
    }
}

impl Policy {
    /// Decides on a request that arrived at `now` and asked for `asked`.
    ///
    /// The budget is the client's, cut to the cap, or the default; trusted queue time is subtracted (R1, R7,
    /// R8). An observing policy lets everything in and keeps what it would have refused.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: malformed where the policy rejects that, missing where it rejects that, and expired where
    /// nothing or less than the least budget is left.
    pub fn admit(&self, asked: &Asked, now: Instant) -> Result<Admitted, Refusal> {
        let (deadline, truncated) = match self.budget(asked) {
            Some(grant) => (Some(grant.deadline(asked.queued(), now)), grant.truncated),
            None => (None, false),
        };
        let would_refuse = match self.refusal(asked, deadline, now) {
            Some(refusal) if !self.is_observed() => return Err(refusal),
            refusal => refusal.map(Box::new),
        };
        Ok(Admitted { deadline, client_asked: asked.strictest().is_some(), truncated, would_refuse })
    }

    fn budget(&self, asked: &Asked) -> Option<Grant> {
        let policy = |budget, truncated| Grant { budget, origin: Origin::Policy(self.name()), truncated };
        let Some((timeout, dialect)) = asked.strictest() else {
            let timeout = self.timeout().into_iter().chain(self.max).min();
            return timeout.map(|budget| policy(budget, false));
        };
        match self.cap() {
            Some(cap) if cap < timeout => Some(policy(cap, true)),
            _ => Some(Grant { budget: timeout, origin: Origin::Header(dialect), truncated: false }),
        }
    }

    fn refusal(&self, asked: &Asked, deadline: Option<Deadline>, now: Instant) -> Option<Refusal> {
        let malformed = asked.malformed().filter(|_| self.on_invalid == OnInvalid::Reject);
        if let Some(malformed) = malformed {
            return Some(Refusal::Malformed(malformed.clone()));
        }
        if asked.strictest().is_none() && self.on_missing == OnMissing::Reject {
            return Some(Refusal::Missing);
        }
        let below = |deadline: &Deadline| !self.min.is_zero() && deadline.remaining(now) < self.min;
        let short = deadline.filter(|deadline| deadline.is_expired(now) || below(deadline))?;
        Some(Refusal::Exceeded(Exceeded::new(short, Stage::Arrival, Cause::Deadline, now)))
    }
}

/// The binding limit and who set it.
struct Grant {
    budget: Duration,
    origin: Origin,
    truncated: bool,
}

impl Grant {
    fn deadline(&self, queued: Duration, now: Instant) -> Deadline {
        Deadline::after(now, self.budget.saturating_sub(queued)).with_origin(self.origin)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded(exceeded) => exceeded.fmt(f),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Missing => f.write_str("this service takes no request without a deadline field"),
        }
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded),
            Self::Malformed(malformed) => Some(malformed),
            Self::Missing => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use crate::{Dialects, Mode, OriginKind};
    use http::HeaderMap;
    use std::time::UNIX_EPOCH;

    const MS: Duration = Duration::from_millis(1);

    fn asked(value: &str) -> Asked {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert("x-request-timeout", value.parse().unwrap());
        }
        Dialects::default().read(&headers, UNIX_EPOCH)
    }

    fn budget(policy: &Policy, value: &str) -> Option<(u128, OriginKind)> {
        let admitted = policy.admit(&asked(value), Instant::now()).unwrap();
        let deadline = admitted.deadline()?;
        Some((deadline.budget().as_millis(), deadline.origin().kind()))
    }

    // R7
    #[test]
    fn a_header_shortens_and_lengthens_only_where_it_was_granted() {
        use OriginKind::{Header, Policy as ByPolicy};
        let none = Policy::new();
        let default = Policy::new().default_timeout(300 * MS);
        let granted = default.clone().max(600 * MS);
        let capped = Policy::new().max(600 * MS);
        for (policy, value, budgeted) in [
            (&none, "", None),
            (&none, "500ms", Some((500, Header))),
            (&default, "", Some((300, ByPolicy))),
            (&default, "200ms", Some((200, Header))),
            (&default, "300ms", Some((300, Header))),
            (&default, "500ms", Some((300, ByPolicy))),
            (&granted, "", Some((300, ByPolicy))),
            (&granted, "500ms", Some((500, Header))),
            (&granted, "700ms", Some((600, ByPolicy))),
            (&capped, "", Some((600, ByPolicy))),
        ] {
            assert_eq!(budget(policy, value), budgeted, "{policy:?} {value}");
        }
    }

    #[test]
    fn tells_when_a_client_got_less_than_it_asked_for() {
        let policy = Policy::new().default_timeout(300 * MS);
        let truncated = |value| policy.admit(&asked(value), Instant::now()).unwrap().truncated();
        assert!(truncated("301ms"));
        assert!(!truncated("300ms"));
        assert!(!truncated(""));
    }

    #[test]
    fn a_budget_below_the_least_is_refused_and_not_raised() {
        let policy = Policy::new().min(5 * MS);
        let now = Instant::now();
        assert!(policy.admit(&asked("5ms"), now).is_ok());
        let Err(Refusal::Exceeded(exceeded)) = policy.admit(&asked("4ms"), now) else { panic!("let in") };
        assert_eq!((exceeded.stage(), exceeded.cause()), (Stage::Arrival, Cause::Deadline));
        assert_eq!((exceeded.budget(), exceeded.elapsed()), (4 * MS, Duration::ZERO));
        assert!(matches!(policy.admit(&asked("0"), now), Err(Refusal::Exceeded(_))));
        assert!(matches!(Policy::new().admit(&asked("0"), now), Err(Refusal::Exceeded(_))));
    }

    // R5
    #[test]
    fn malformed_is_refused_or_dropped_and_never_the_same_as_absent() {
        let reject = Policy::new().default_timeout(300 * MS);
        let now = Instant::now();
        assert!(matches!(reject.admit(&asked("abc"), now), Err(Refusal::Malformed(_))));
        assert!(matches!(reject.admit(&asked("abc, 200ms"), now), Err(Refusal::Malformed(_))));
        let ignore = reject.on_invalid(OnInvalid::Ignore);
        assert_eq!(budget(&ignore, "abc, 200ms"), Some((200, OriginKind::Header)));
        assert_eq!(budget(&ignore, "abc"), Some((300, OriginKind::Policy)));
    }

    #[test]
    fn a_policy_may_want_a_field() {
        let policy = Policy::new().default_timeout(300 * MS).on_missing(OnMissing::Reject);
        let now = Instant::now();
        assert!(matches!(policy.admit(&asked(""), now), Err(Refusal::Missing)));
        assert!(policy.admit(&asked("1s"), now).is_ok());
        let ignoring = policy.on_invalid(OnInvalid::Ignore);
        assert!(matches!(ignoring.admit(&asked("abc"), now), Err(Refusal::Missing)));
    }

    // R8
    #[test]
    fn queue_time_is_spent_before_arrival() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-timeout", "300ms".parse().unwrap());
        headers.insert("x-request-start", "t=1700000000.250".parse().unwrap());
        let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        let dialects = Dialects::default().trust_request_start(true);
        let (asked, now) = (dialects.read(&headers, wall), Instant::now());
        let deadline = Policy::new().admit(&asked, now).unwrap().deadline().unwrap();
        assert_eq!(deadline.remaining(now), 50 * MS);
        let late = dialects.read(&headers, wall + 50 * MS);
        assert!(matches!(Policy::new().admit(&late, now), Err(Refusal::Exceeded(_))));
    }

    #[test]
    fn an_observing_policy_lets_in_and_tells_what_it_would_have_refused() {
        let policy = Policy::new().min(5 * MS).mode(Mode::Observe);
        let now = Instant::now();
        let late = policy.admit(&asked("0"), now).unwrap();
        assert!(late.deadline().is_some_and(|deadline| deadline.is_expired(now)));
        assert!(matches!(late.would_refuse(), Some(Refusal::Exceeded(_))));
        let garbled = policy.admit(&asked("abc"), now).unwrap();
        assert!(garbled.deadline().is_none());
        assert!(matches!(garbled.would_refuse(), Some(Refusal::Malformed(_))));
        assert!(policy.admit(&asked("1s"), now).unwrap().would_refuse().is_none());
    }
}
