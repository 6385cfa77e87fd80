//! Why a request stopped.

use std::fmt;

/// Why a request stopped. The first cause of a [`Journey`](crate::Journey) wins and is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The deadline passed.
    Deadline,
    /// The client went away before it had its answer.
    ClientGone,
    /// This process is shutting down.
    Shutdown,
    /// Another attempt at the same work won.
    Superseded,
    /// The caller said so.
    Cancelled,
}

impl Cause {
    const ALL: [Self; 5] = [Self::Deadline, Self::ClientGone, Self::Shutdown, Self::Superseded, Self::Cancelled];

    /// The word for it, as it stands in answers, metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::ClientGone => "client_gone",
            Self::Shutdown => "shutdown",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// The cause of this word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_one_cause() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(cause));
        }
        assert_eq!(Cause::from_word("timeout"), None);
    }
}
