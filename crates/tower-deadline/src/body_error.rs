//! What ends a body early.

use std::error::Error;
use std::fmt;

use http_deadline::Exceeded;

/// An error of any kind, as `tower` has it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a body that the layers watch over ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The deadline passed.
    Exceeded(Exceeded),
    /// The body itself failed; the source is its error.
    Inner(BoxError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded(_) => f.write_str("body stopped at the deadline"),
            Self::Inner(_) => f.write_str("body failed"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded),
            Self::Inner(error) => Some(&**error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now;
    use http_deadline::{Cause, Deadline, Stage};
    use std::io;

    #[tokio::test(start_paused = true)]
    async fn shows_what_is_behind_it() {
        let exceeded = Exceeded::new(Deadline::at(now()), Stage::ResponseBody, Cause::Deadline, now());
        assert!(Exceeded::find(&BodyError::Exceeded(exceeded)).is_some());
        let inner = BodyError::Inner(io::Error::other("reset").into());
        let source = inner.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(ToString::to_string).as_deref(), Some("reset"));
    }
}
