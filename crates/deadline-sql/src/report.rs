//! What is logged.
//!
//! Covers a line for each statement that did not end by itself, with what is in no answer: `SQLSTATE`, and the server's
//! process. Does not log statements or their parameters.
//!
//! | level | what must be true |
//! |---|---|
//! | `WARN` | a connection was closed because it did not come to rest: the server may work on for nobody |
//! | `DEBUG` | a statement was stopped, or not sent |

use std::time::Instant;

use crate::error::{Interrupted, Stopped};

const TARGET: &str = "deadline_sql";

/// A deadline stopped a statement, or kept it from being sent.
pub(crate) fn interrupted(interrupted: &Interrupted, sqlstate: Option<&str>) {
    let Interrupted { exceeded, stopped, outcome, backend } = interrupted;
    tracing::debug!(
        target: TARGET,
        stage = exceeded.stage().as_str(),
        stopped = stopped.as_str(),
        outcome = outcome.as_str(),
        sqlstate,
        backend,
        elapsed = ?exceeded.elapsed(),
        "{}",
        happened(*stopped),
    );
}

/// What a deadline did.
fn happened(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::NotSent => "a deadline kept a statement from being sent",
        _ => "a deadline stopped a statement",
    }
}

/// A statement that nobody waited for has ended, or been given up.
pub(crate) fn settled(stopped: Stopped, backend: Option<u32>, now: Instant, since: Instant) {
    let after = now.saturating_duration_since(since);
    tracing::debug!(target: TARGET, stopped = stopped.as_str(), backend, ?after, "a statement was stopped");
}

/// A connection was closed because it did not come to rest.
pub(crate) fn unsettled(backend: Option<u32>) {
    // WARN: a statement may run on for nobody, and a connection has to be made anew.
    tracing::warn!(target: TARGET, backend, "a connection was closed: what it ran could not be stopped in time");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_was_not_stopped() {
        assert_eq!(happened(Stopped::NotSent), "a deadline kept a statement from being sent");
        for stopped in [Stopped::ServerTimer, Stopped::CancelRequest, Stopped::Pending, Stopped::Discarded] {
            assert_eq!(happened(stopped), "a deadline stopped a statement");
        }
    }
}
