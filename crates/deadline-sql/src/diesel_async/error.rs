//! What goes wrong, and how it passes through diesel's own error.

use std::error::Error as StdError;
use std::fmt;

use super::Error;
use crate::{DriverError, Interrupted, Verdict};

/// What the driver says.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// No connection could be opened.
    Connect(tokio_postgres::Error),
    /// A connection was opened, and could not be set up by diesel.
    SetUp(diesel::ConnectionError),
    /// A statement failed, and what that means.
    Statement(diesel::result::Error, Verdict),
}

/// The error of ours within one of diesel's, where there is one.
///
/// ```
/// use deadline_sql::diesel_async::{Error, find};
///
/// let error = diesel::result::Error::from(Error::RolledBack);
/// assert!(matches!(find(&error), Some(Error::RolledBack)));
/// assert!(find(&diesel::result::Error::NotFound).is_none());
/// ```
#[must_use]
pub fn find(error: &diesel::result::Error) -> Option<&Error> {
    match error {
        diesel::result::Error::QueryBuilderError(ours) => ours.downcast_ref(),
        _ => None,
    }
}

/// What the deadline stopped, if it was that.
#[must_use]
pub fn interrupted(error: &diesel::result::Error) -> Option<&Interrupted> {
    find(error)?.interrupted()
}

impl From<Error> for diesel::result::Error {
    /// What diesel said is as it was; what is ours is within a `QueryBuilderError`, which keeps its type and sources.
    fn from(error: Error) -> Self {
        match error {
            Error::Database(Failure::Statement(error, _)) => error,
            ours => Self::QueryBuilderError(Box::new(ours)),
        }
    }
}

impl DriverError for Failure {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Connect(error) => error.verdict(),
            Self::SetUp(_) => Verdict::Other,
            Self::Statement(_, verdict) => *verdict,
        }
    }

    /// Known where no connection could be opened. diesel does not tell it.
    fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Connect(error) => error.sqlstate(),
            Self::SetUp(_) | Self::Statement(..) => None,
        }
    }

    fn is_from_server(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_from_server(),
            Self::SetUp(_) => false,
            Self::Statement(error, verdict) => {
                matches!(error, diesel::result::Error::DatabaseError(..)) && *verdict != Verdict::Closed
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::SetUp(error) => error.fmt(f),
            Self::Statement(error, _) => error.fmt(f),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::SetUp(error) => error.source(),
            Self::Statement(error, _) => error.source(),
        }
    }
}
