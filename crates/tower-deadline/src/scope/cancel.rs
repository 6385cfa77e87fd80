//! Cancelling, with a cause of the caller's (R15).

use std::panic::Location;

use http_deadline::{Cancellation, Cause, Journey};

use crate::{BoxError, count, log};

/// Cancels a [scope](crate::scope()) from elsewhere: another task, a signal, a faster attempt. A clone cancels the
/// same scope. Keeping one keeps nothing running.
///
/// ```
/// use tower_deadline::{Cancellation, Cause, Deadline, now, scope};
/// use std::{future::pending, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let slow = scope(Deadline::after(now(), Duration::from_secs(3)), pending::<()>());
/// let canceller = slow.canceller();
/// let waiting = tokio::spawn(slow);
/// assert_eq!(canceller.cancel_as(Cause::Superseded, "the second attempt was faster"), Cancellation::Accepted);
/// let outcome = waiting.await.map(|outcome| outcome.map_err(|exceeded| exceeded.cause()));
/// assert!(matches!(outcome, Ok(Err(Cause::Superseded))));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Canceller(Journey);

impl Canceller {
    pub(super) fn new(journey: Journey) -> Self {
        Self(journey)
    }

    /// Cancels with the caller's error as the detail; see [`Scope::cancel`](super::Scope::cancel).
    #[track_caller]
    pub fn cancel(&self, detail: impl Into<BoxError>) -> Cancellation {
        self.cancel_as(Cause::Cancelled, detail)
    }

    /// Cancels for another cause than the caller's own word: [`Cause::Superseded`], [`Cause::Shutdown`].
    ///
    /// Cancelling what has ended is a mistake of the caller's, or a race that it lost: it is counted, and with the
    /// feature `tracing` told at DEBUG with the line that calls this.
    #[track_caller]
    pub fn cancel_as(&self, cause: Cause, detail: impl Into<BoxError>) -> Cancellation {
        let outcome = self.0.cancel(cause, Some(detail.into().into()));
        count::cancelled(outcome);
        if outcome == Cancellation::TooLate {
            log::cancelled_too_late(cause, Location::caller());
        }
        outcome
    }
}
