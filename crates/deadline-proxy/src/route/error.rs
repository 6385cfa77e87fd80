//! What is not a host or a path that a route can match.

use std::fmt;

/// What was written, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchError {
    found: String,
    expected: &'static str,
}

impl MatchError {
    pub(super) fn new(found: &str, expected: &'static str) -> Self {
        Self { found: found.to_owned(), expected }
    }
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} is expected", self.found, self.expected)
    }
}

impl std::error::Error for MatchError {}
