//! Limits of a policy that cannot be kept.
//!
//! Covers what one policy says of itself, whether it was written in code or in a file. Does not know names and
//! routes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http_deadline::Policy;

/// Limits of a policy that cannot be kept: two that exclude each other, or one that no request can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conflict {
    /// The timeout is zero.
    ZeroTimeout,
    /// The most that a client can ask for is zero.
    ZeroMax,
    /// The default is more than a client can ask for.
    TimeoutOverMax {
        /// The default.
        timeout: Duration,
        /// The cap.
        max: Duration,
    },
    /// No client can ask for the least budget.
    MinOverMax {
        /// The least budget.
        min: Duration,
        /// The cap.
        max: Duration,
    },
    /// The default is below the least budget.
    MinOverTimeout {
        /// The least budget.
        min: Duration,
        /// The default.
        timeout: Duration,
    },
    /// The reserve leaves nothing for an outgoing call.
    ReserveOverLimit {
        /// The reserve.
        reserve: Duration,
        /// The default, or the cap where there is none.
        limit: Duration,
    },
    /// The status is not one of an error.
    NoError(StatusCode),
    /// The status for the wait for a connection is not one of an error.
    NoErrorOfPool(StatusCode),
}

impl Conflict {
    /// What is wrong with this policy.
    pub(super) fn all(policy: &Policy) -> Vec<Self> {
        let (timeout, min) = (policy.timeout(), policy.least());
        // The cap without a `max` is the timeout, and one that equals it is in nobody's way.
        let max = policy.cap().filter(|cap| Some(*cap) != timeout);
        let zero = timeout.filter(Duration::is_zero).map(|_| Self::ZeroTimeout);
        let zero = zero.or(max.filter(Duration::is_zero).map(|_| Self::ZeroMax));
        let crossed = timeout.zip(max).filter(|(timeout, max)| timeout > max && !max.is_zero());
        let crossed = crossed.map(|(timeout, max)| Self::TimeoutOverMax { timeout, max });
        let over_max = max.filter(|max| min > *max).map(|max| Self::MinOverMax { min, max });
        let over_timeout = timeout.filter(|timeout| min > *timeout);
        let over = over_max.or(over_timeout.map(|timeout| Self::MinOverTimeout { min, timeout }));
        let reserve = policy.reserved();
        let spent = timeout.or(max).filter(|limit| !reserve.is_zero() && reserve >= *limit);
        let spent = spent.map(|limit| Self::ReserveOverLimit { reserve, limit });
        let is_none_of_error = |status: &StatusCode| !(400..600).contains(&status.as_u16());
        let status = Some(policy.status_code()).filter(is_none_of_error).map(Self::NoError);
        // Without one of its own it is the status, and told as that.
        let pool = Some(policy.pool_status_code()).filter(|pool| *pool != policy.status_code());
        let pool = pool.filter(is_none_of_error).map(Self::NoErrorOfPool);
        [zero, crossed, over, spent, status, pool].into_iter().flatten().collect()
    }

    /// The key that is to blame.
    #[cfg(feature = "policy-toml")]
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::ZeroTimeout | Self::TimeoutOverMax { .. } => "timeout",
            Self::ZeroMax => "max",
            Self::MinOverMax { .. } | Self::MinOverTimeout { .. } => "min",
            Self::ReserveOverLimit { .. } => "reserve",
            Self::NoError(_) => "status",
            Self::NoErrorOfPool(_) => "pool_status",
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroTimeout => f.write_str("a timeout of zero refuses every request; expected more"),
            Self::ZeroMax => f.write_str("a max of zero refuses every request; expected more"),
            Self::TimeoutOverMax { timeout, max } => {
                write!(f, "the timeout of {timeout:?} is above the max of {max:?}; expected at most that")
            }
            Self::MinOverMax { min, max } => {
                write!(
                    f,
                    "the min of {min:?} is above the max of {max:?}, and refuses every request; expected at most that"
                )
            }
            Self::MinOverTimeout { min, timeout } => {
                write!(
                    f,
                    "the min of {min:?} is above the timeout of {timeout:?}, and refuses who asks for none; expected at most that"
                )
            }
            Self::ReserveOverLimit { reserve, limit } => {
                write!(f, "the reserve of {reserve:?} leaves nothing of {limit:?} for an outgoing call; expected less")
            }
            Self::NoError(status) => {
                write!(f, "the status {} is none of an error; expected one from 400 to 599", status.as_u16())
            }
            Self::NoErrorOfPool(status) => {
                write!(f, "the pool_status {} is none of an error; expected one from 400 to 599", status.as_u16())
            }
        }
    }
}

impl Error for Conflict {}
