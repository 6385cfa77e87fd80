//! Why a statement has no result.
//!
//! Covers the error of every method of this crate: what a deadline stopped, with where, by what and with which outcome,
//! beside what the driver itself says. Does not log: [`report`](crate::report) does.

use std::error::Error as StdError;
use std::fmt;

use http_deadline::Exceeded;

mod words;

pub use self::words::{Outcome, Stopped, Verdict};

/// What a driver's error has to tell.
pub trait DriverError: StdError + Send + Sync + 'static {
    /// What the error means for the statement and its connection.
    fn verdict(&self) -> Verdict;

    /// The five characters of `SQLSTATE`, where the driver lets us have them.
    fn sqlstate(&self) -> Option<&str>;

    /// Whether the server said so, and has thereby undone the statement. What a driver says by itself (there were more
    /// rows than one, a value cannot be read) tells nothing of what was done, nor whether the server is done.
    fn is_from_server(&self) -> bool {
        self.sqlstate().is_some() || matches!(self.verdict(), Verdict::Cancelled | Verdict::Aborted)
    }
}

/// Why there is no result.
///
/// A deadline's is found by the layers of `tower-deadline`, however deep it is wrapped, and becomes an answer:
/// [`Exceeded`] is in the chain of its sources. What else there is to know (SQLSTATE, the server's process) is for the
/// log, and in no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The deadline stopped it.
    Exceeded(Box<Interrupted>),
    /// There is no connection to be had: the server is down, is full, or refuses us.
    Unavailable(E),
    /// The pool was closed.
    PoolClosed,
    /// The server rolled the transaction back instead of committing it, because a statement in it had failed.
    RolledBack,
    /// The connection had to be given up: what ran on it before could not be stopped in time.
    ConnectionLost,
    /// The database, or the driver, says no. A statement that somebody else cancelled (57014) is here too.
    Database(E),
}

/// A statement that the deadline stopped, or kept from being sent.
#[derive(Clone, Debug)]
pub struct Interrupted {
    pub(crate) exceeded: Exceeded,
    pub(crate) stopped: Stopped,
    pub(crate) outcome: Outcome,
    pub(crate) backend: Option<u32>,
}

impl Interrupted {
    /// Where, why and by whose deadline.
    #[must_use]
    pub fn exceeded(&self) -> &Exceeded {
        &self.exceeded
    }

    /// What stopped it.
    #[must_use]
    pub fn stopped(&self) -> Stopped {
        self.stopped
    }

    /// What became of its effects.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The server's process that it ran in, for a log: in PostgreSQL the `pid` of `pg_stat_activity`.
    #[must_use]
    pub fn backend(&self) -> Option<u32> {
        self.backend
    }
}

impl<E> Error<E> {
    /// What the deadline stopped, if it was that.
    #[must_use]
    pub fn interrupted(&self) -> Option<&Interrupted> {
        match self {
            Self::Exceeded(interrupted) => Some(interrupted),
            _ => None,
        }
    }

    /// What became of the effects of the statement, or of the transaction that this error ended.
    ///
    /// [`Outcome::Unknown`] is never to be tried again as it is: it may be done already.
    #[must_use]
    pub fn outcome(&self) -> Outcome
    where
        E: DriverError,
    {
        match self {
            Self::Exceeded(interrupted) => interrupted.outcome,
            Self::Unavailable(_) | Self::PoolClosed | Self::ConnectionLost => Outcome::NotStarted,
            Self::RolledBack => Outcome::RolledBack,
            Self::Database(error) if error.verdict() == Verdict::Closed => Outcome::Unknown,
            Self::Database(error) if error.is_from_server() => Outcome::RolledBack,
            Self::Database(_) => Outcome::Unknown,
        }
    }

    /// Whether the same work may succeed a moment later, and a read may therefore be tried again: a lost connection, a
    /// server that starts or is full, a deadlock. A deadline is not.
    #[must_use]
    pub fn is_transient(&self) -> bool
    where
        E: DriverError,
    {
        match self {
            Self::ConnectionLost => true,
            // A wrong password, a database that is not there.
            Self::Unavailable(error) => {
                !error.sqlstate().is_some_and(|code| code.starts_with("28") || code.starts_with("3D"))
            }
            Self::Database(error) => matches!(error.verdict(), Verdict::Closed | Verdict::Transient),
            Self::Exceeded(_) | Self::PoolClosed | Self::RolledBack => false,
        }
    }

    /// The same, with another error of the driver's inside.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Exceeded(interrupted) => Error::Exceeded(interrupted),
            Self::Unavailable(error) => Error::Unavailable(change(error)),
            Self::PoolClosed => Error::PoolClosed,
            Self::RolledBack => Error::RolledBack,
            Self::ConnectionLost => Error::ConnectionLost,
            Self::Database(error) => Error::Database(change(error)),
        }
    }
}

impl<E> From<Interrupted> for Error<E> {
    fn from(interrupted: Interrupted) -> Self {
        Self::Exceeded(Box::new(interrupted))
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exceeded, stopped, outcome, .. } = self;
        write!(f, "{exceeded}; stopped by {stopped}, outcome {outcome}")
    }
}

impl StdError for Interrupted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.exceeded)
    }
}

impl<E> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded(interrupted) => interrupted.fmt(f),
            Self::Unavailable(_) => f.write_str("no connection to the database"),
            Self::PoolClosed => f.write_str("the pool of connections to the database is closed"),
            Self::RolledBack => f.write_str("the transaction was rolled back, because a statement in it had failed"),
            Self::ConnectionLost => {
                f.write_str("the connection was given up, because what ran on it could not be stopped in time")
            }
            Self::Database(_) => f.write_str("the statement failed"),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Exceeded(interrupted) => Some(&interrupted.exceeded),
            Self::Unavailable(error) | Self::Database(error) => Some(error),
            Self::PoolClosed | Self::RolledBack | Self::ConnectionLost => None,
        }
    }
}

#[cfg(test)]
mod tests;
