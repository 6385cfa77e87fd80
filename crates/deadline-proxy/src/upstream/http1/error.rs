//! Why an exchange broke off.

use std::error;
use std::fmt;
use std::io;

/// Why an exchange broke off.
#[derive(Debug)]
pub(in crate::upstream) enum Error {
    /// What was read is not HTTP/1.1, too much of it, or not to be read in one way only.
    Malformed(&'static str),
    /// The peer closed before its answer was whole.
    Incomplete,
    Read(io::Error),
    Write(io::Error),
}

impl Error {
    /// Whether the peer does not speak HTTP as it should.
    pub(in crate::upstream) fn is_parse(&self) -> bool {
        matches!(self, Self::Malformed(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::Incomplete => f.write_str("connection closed before message completed"),
            Self::Read(_) => f.write_str("connection error"),
            Self::Write(_) => f.write_str("error writing to connection"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Malformed(_) | Self::Incomplete => None,
            Self::Read(error) | Self::Write(error) => Some(error),
        }
    }
}
