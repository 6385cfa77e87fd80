//! What a limit may not be.

use std::fmt;

/// A limit that cannot be kept, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    name: &'static str,
    found: String,
    expected: String,
}

impl Error {
    pub(super) fn new(name: &'static str, found: impl fmt::Debug, expected: impl Into<String>) -> Self {
        Self { name, found: format!("{found:?}"), expected: expected.into() }
    }

    /// The field of [`Settings`](super::Settings) that it is about.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What is wrong with it, for whoever calls it otherwise.
    pub(crate) fn told(&self) -> String {
        format!("{} cannot be kept; expected {}", self.found, self.expected)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits.{}: {} cannot be kept; {} is expected", self.name, self.found, self.expected)
    }
}

impl std::error::Error for Error {}
