//! The statuses of a policy's answers.
//!
//! Covers which of them belongs to what was stopped. Does not write answers.

use http::StatusCode;

use crate::{Cause, Exceeded, Stage};

/// What the answers to stopped requests say: one status, and one for those that waited for a connection.
///
/// ```
/// use http::StatusCode;
/// use http_deadline::{Cause, Deadline, Exceeded, Policy, Stage};
/// use std::time::{Duration, Instant};
///
/// let statuses = Policy::new().pool_status(StatusCode::SERVICE_UNAVAILABLE).statuses();
/// let now = Instant::now();
/// let deadline = Deadline::after(now, Duration::ZERO);
/// let stopped = |stage| Exceeded::new(deadline, stage, Cause::Deadline, now);
/// assert_eq!(statuses.of(&stopped(Stage::Pool)), StatusCode::SERVICE_UNAVAILABLE);
/// assert_eq!(statuses.of(&stopped(Stage::Database)), StatusCode::GATEWAY_TIMEOUT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    pub(crate) status: StatusCode,
    pub(crate) pool: Option<StatusCode>,
}

impl Statuses {
    /// The status of the answer to a request that was stopped so.
    #[must_use]
    pub fn of(self, exceeded: &Exceeded) -> StatusCode {
        let is_wait_for_connection = exceeded.stage() == Stage::Pool && exceeded.cause() == Cause::Deadline;
        self.pool.filter(|_| is_wait_for_connection).unwrap_or(self.status)
    }
}

/// 504 for all of them.
impl Default for Statuses {
    fn default() -> Self {
        Self { status: StatusCode::GATEWAY_TIMEOUT, pool: None }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use crate::{Deadline, Policy};
    use std::time::{Duration, Instant};

    fn stopped(stage: Stage, cause: Cause) -> Exceeded {
        let now = Instant::now();
        Exceeded::new(Deadline::after(now, Duration::ZERO), stage, cause, now)
    }

    #[test]
    fn only_a_deadline_that_passes_in_the_wait_for_a_connection_has_the_status_of_that() {
        let policy = Policy::new().status(StatusCode::BAD_GATEWAY).pool_status(StatusCode::SERVICE_UNAVAILABLE);
        for (stage, cause, status) in [
            (Stage::Pool, Cause::Deadline, StatusCode::SERVICE_UNAVAILABLE),
            (Stage::Pool, Cause::Shutdown, StatusCode::BAD_GATEWAY),
            (Stage::Pool, Cause::Cancelled, StatusCode::BAD_GATEWAY),
            (Stage::Connect, Cause::Deadline, StatusCode::BAD_GATEWAY),
            (Stage::Queue, Cause::Deadline, StatusCode::BAD_GATEWAY),
        ] {
            assert_eq!(policy.statuses().of(&stopped(stage, cause)), status, "{stage}, {cause}");
        }
    }

    #[test]
    fn without_a_status_of_its_own_the_wait_for_a_connection_has_that_of_the_policy() {
        let waited = stopped(Stage::Pool, Cause::Deadline);
        assert_eq!(Statuses::default().of(&waited), StatusCode::GATEWAY_TIMEOUT);
        for policy in [Policy::new().status(StatusCode::BAD_GATEWAY), Policy::new()] {
            assert_eq!(policy.statuses().of(&waited), policy.status_code());
            assert_eq!(policy.pool_status_code(), policy.status_code());
        }
    }
}
