//! Where a request was when it stopped.

use std::fmt;

/// Where a request was when it stopped: the last stage entered that was still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stage {
    /// The head had just arrived.
    Arrival = 1,
    /// Waiting for the inner service to be ready.
    Queue,
    /// Reading the request body.
    RequestBody,
    /// In the handler's own work.
    Handler,
    /// Waiting for a pooled connection.
    Pool,
    /// Connecting.
    Connect,
    /// Waiting for an upstream's answer.
    Upstream,
    /// Sending the response body.
    ResponseBody,
    /// A statement was running in a database.
    Database,
    /// Waiting between two attempts.
    Backoff,
    /// About to call, with nothing left to spend; the call was not sent.
    Unsent,
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::Arrival,
        Self::Queue,
        Self::RequestBody,
        Self::Handler,
        Self::Pool,
        Self::Connect,
        Self::Upstream,
        Self::ResponseBody,
        Self::Database,
        Self::Backoff,
        Self::Unsent,
    ];

    /// The word for it, as it stands in answers, metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Queue => "queue",
            Self::RequestBody => "request_body",
            Self::Handler => "handler",
            Self::Pool => "pool",
            Self::Connect => "connect",
            Self::Upstream => "upstream",
            Self::ResponseBody => "response_body",
            Self::Database => "database",
            Self::Backoff => "backoff",
            Self::Unsent => "unsent",
        }
    }

    /// The stage of this word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage as u8 == code)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_a_code_name_one_stage() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_word(stage.as_str()), Some(stage));
            assert_eq!(Stage::from_code(stage as u8), Some(stage));
        }
        assert_eq!(Stage::from_word("phase"), None);
        assert_eq!(Stage::from_code(0), None);
    }

    #[test]
    fn every_code_fits_the_four_bits_that_a_journey_packs_it_into() {
        assert!(Stage::ALL.into_iter().all(|stage| (1..16).contains(&(stage as u8))));
    }
}
