//! Why an outgoing call failed.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use http_deadline::Exceeded;

use crate::BoxError;

/// Why an outgoing call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PropagateError {
    /// The deadline passed, or was too near to send the call at all (stage `unsent`).
    Exceeded(Exceeded),
    /// No deadline was found, and the layer or the policy of the request wants one.
    Missing {
        /// The line that made the call: the caller of [`PropagateLayer::write`](super::PropagateLayer::write) and of a
        /// reqwest client's `execute`. A service does not know who calls it: there it is the line that made the layer.
        site: &'static Location<'static>,
    },
    /// The client's own error.
    Inner(BoxError),
}

impl fmt::Display for PropagateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded(_) => f.write_str("outgoing call stopped at the deadline"),
            Self::Missing { site } => write!(
                f,
                "outgoing call without a deadline, by {}:{}: there is none in the request's extensions and none around \
                 the task",
                site.file(),
                site.line()
            ),
            Self::Inner(_) => f.write_str("outgoing call failed"),
        }
    }
}

impl Error for PropagateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded),
            Self::Missing { .. } => None,
            Self::Inner(error) => Some(&**error),
        }
    }
}
