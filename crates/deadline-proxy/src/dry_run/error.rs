//! Why a request cannot be explained.

use std::fmt;
use std::io;
use std::time::Duration;

use http::HeaderName;
use tower_deadline::BoxError;

use crate::listen::Address;
use crate::{limits, proxy};

/// Why there is nothing to tell of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A limit cannot be kept.
    Limits(limits::Error),
    /// There is no proxy of these settings.
    Proxy(proxy::Error),
    /// The request was to come by a listener that is not there.
    NoListener {
        /// The one that was asked for.
        asked: Address,
        /// Those that are there.
        there: Vec<Address>,
    },
    /// Two lengths of one body.
    Lengths {
        /// What the field says.
        said: u64,
        /// What was asked for beside it.
        asked: u64,
    },
    /// No field of HTTP/2.
    NotInHttp2(HeaderName),
    /// No runtime could be had.
    Runtime(io::Error),
    /// The request could not be written, or the answer not be read.
    Exchange(BoxError),
    /// The connection was closed without an answer.
    Closed,
    /// Something waits that should not.
    Late(Duration),
}

impl Error {
    /// Whether the settings or the request are to blame, and not what was met on the way.
    #[must_use]
    pub fn is_of_input(&self) -> bool {
        match self {
            Self::Limits(_) | Self::Proxy(_) | Self::NoListener { .. } | Self::Lengths { .. } | Self::NotInHttp2(_) => {
                true
            }
            Self::Runtime(_) | Self::Exchange(_) | Self::Closed | Self::Late(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits(error) => error.fmt(f),
            Self::Proxy(error) => error.fmt(f),
            Self::NoListener { asked, there } => {
                let there: Vec<_> = there.iter().map(ToString::to_string).collect();
                write!(f, "--listener: nothing listens on {asked}; one of these is expected: {}", there.join(", "))
            }
            Self::Lengths { said, asked } => {
                write!(f, "--body-bytes: {asked} beside a content-length of {said}; one of them is expected")
            }
            Self::NotInHttp2(name) => {
                write!(f, "-H: {name} is a field of HTTP/1.1; with --http2, none of one connection only is expected")
            }
            Self::Runtime(error) => write!(f, "cannot start a runtime: {error}"),
            Self::Exchange(error) => write!(f, "the request could not be put: {error}"),
            Self::Closed => f.write_str("the connection was closed without an answer"),
            Self::Late(limit) => write!(f, "no answer within {limit:?}"),
        }
    }
}

// The message says all there is to say of what it was made of.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Proxy(error) => error.source(),
            Self::Runtime(error) => Some(error),
            Self::Exchange(error) => Some(&**error),
            Self::Limits(_) | Self::NoListener { .. } | Self::Lengths { .. } | Self::NotInHttp2(_) => None,
            Self::Closed | Self::Late(_) => None,
        }
    }
}
