//! Why a request takes no route.

use std::fmt;

use http::StatusCode;

use super::Unclear;
use crate::count::Refusal;

/// What is answered in place of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Miss {
    /// Its path has more than one reading.
    Path(Unclear),
    /// No route takes it.
    NoRoute,
}

impl Miss {
    /// 400 for a path that could be another, 404 where there is no route.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
        }
    }

    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Path(_) => Refusal::Path,
            Self::NoRoute => Refusal::NoRoute,
        }
    }
}

impl From<Unclear> for Miss {
    fn from(unclear: Unclear) -> Self {
        Self::Path(unclear)
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(unclear) => unclear.fmt(f),
            Self::NoRoute => f.write_str("no route takes this request"),
        }
    }
}

impl std::error::Error for Miss {}
