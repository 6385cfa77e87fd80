//! What the errors of sqlx mean, and how ours travels in one of them.
//!
//! An executor of sqlx has to fail with an error of sqlx's. Ours is in an `Io` then, with its own error inside: it is the
//! only variant that tells a timeout by a kind, and its chain of sources leads to `Exceeded`.

use std::io::{self, ErrorKind};

use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

use crate::{DriverError, Interrupted, Verdict};

type Ours = super::Error;

impl DriverError for Error {
    fn verdict(&self) -> Verdict {
        if ours(self).is_some() {
            return Verdict::Other;
        }
        match self {
            Self::Database(_) => self.sqlstate().map_or(Verdict::Other, Verdict::of_sqlstate),
            // sqlx has lost its way in what the server says.
            Self::Io(_) | Self::Tls(_) | Self::Protocol(_) | Self::WorkerCrashed => Verdict::Closed,
            Self::PoolTimedOut => Verdict::Transient,
            _ => Verdict::Other,
        }
    }

    fn sqlstate(&self) -> Option<&str> {
        self.as_database_error()?.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
    }
}

/// What a deadline stopped, in an error of sqlx's; with that, what stopped it and with which outcome.
#[must_use]
pub fn interrupted(error: &Error) -> Option<&Interrupted> {
    ours(error)?.interrupted()
}

/// Our own error, in one of sqlx's.
pub(crate) fn ours(error: &Error) -> Option<&Ours> {
    match error {
        Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

impl From<Ours> for Error {
    fn from(error: Ours) -> Self {
        match error {
            Ours::Unavailable(error) | Ours::Database(error) => error,
            Ours::PoolClosed => Self::PoolClosed,
            Ours::Exceeded(_) => Self::Io(io::Error::new(ErrorKind::TimedOut, error)),
            Ours::ConnectionLost => Self::Io(io::Error::new(ErrorKind::ConnectionAborted, error)),
            Ours::RolledBack => Self::Io(io::Error::other(error)),
        }
    }
}

impl From<Error> for Ours {
    fn from(error: Error) -> Self {
        match error {
            Error::PoolClosed => Self::PoolClosed,
            Error::Io(error) => match error.downcast() {
                Ok(ours) => ours,
                Err(error) => Self::Database(Error::Io(error)),
            },
            error => Self::Database(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, Stopped};
    use http_deadline::{Cause, Deadline, Exceeded, Stage};
    use std::time::{Duration, Instant};

    fn stopped() -> Interrupted {
        #[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(1));
        let exceeded = Exceeded::new(deadline, Stage::Database, Cause::Deadline, now);
        Interrupted { exceeded, stopped: Stopped::ServerTimer, outcome: Outcome::RolledBack, backend: Some(7) }
    }

    #[test]
    fn what_a_deadline_stopped_is_found_in_an_error_of_sqlx() {
        let error = Error::from(Ours::from(stopped()));
        assert!(matches!(&error, Error::Io(io) if io.kind() == ErrorKind::TimedOut), "{error:?}");
        assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Database));
        assert_eq!(interrupted(&error).map(Interrupted::outcome), Some(Outcome::RolledBack));
        assert_eq!(error.verdict(), Verdict::Other, "its connection is not gone");
        let back = Ours::from(error);
        assert_eq!(back.interrupted().and_then(Interrupted::backend), Some(7));
    }

    #[test]
    fn nothing_is_lost_between_the_two() {
        assert!(matches!(Ours::from(Error::from(Ours::PoolClosed)), Ours::PoolClosed));
        assert!(matches!(Ours::from(Error::from(Ours::RolledBack)), Ours::RolledBack));
        assert!(matches!(Ours::from(Error::from(Ours::ConnectionLost)), Ours::ConnectionLost));
        assert!(matches!(Ours::from(Error::RowNotFound), Ours::Database(Error::RowNotFound)));
    }

    #[test]
    fn what_sqlx_says_of_its_connection_is_not_ours() {
        let reset = || Error::Io(ErrorKind::ConnectionReset.into());
        assert_eq!(reset().verdict(), Verdict::Closed);
        assert!(interrupted(&reset()).is_none());
        assert!(matches!(Ours::from(reset()), Ours::Database(Error::Io(_))));
        assert_eq!(Error::PoolTimedOut.verdict(), Verdict::Transient);
        assert_eq!(Error::RowNotFound.verdict(), Verdict::Other);
    }
}
