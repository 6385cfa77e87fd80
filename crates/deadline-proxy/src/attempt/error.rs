//! Why there is no answer, after all that was tried.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use tower_deadline::PropagateError;

use super::Story;

/// Why a proxy's attempts cannot be made as they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A chain of nobody.
    Empty,
    /// An upstream that is not there.
    NoUpstream {
        /// Its place.
        at: usize,
        /// How many there are.
        of: usize,
    },
    /// A budget that cannot be kept to.
    Budget,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("at least one upstream is expected"),
            Self::NoUpstream { at, of } => {
                write!(f, "upstream {at}: one of the {of} that there are is expected, from 0")
            }
            Self::Budget => f.write_str("retry budget: a ratio from 0 to 1000 is expected, and up to 1000000 a second"),
        }
    }
}

impl Error for PlanError {}

/// Nobody answered, of more than one who was asked or more than once.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// Who was asked.
    pub(crate) story: Story,
    /// What the last of them came to; `None` where the chain was told to end with an error.
    pub(crate) last: Option<PropagateError>,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(_) => write!(f, "no upstream has answered: {}", self.story),
            None => write!(f, "every upstream of the chain passed it on: {}", self.story),
        }
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.last.as_ref().map(|last| last as _)
    }
}

/// An error with all its causes, on one line.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect();
    causes.join(": ")
}
