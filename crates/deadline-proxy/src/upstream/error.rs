//! What keeps an upstream from being had, and a request from being answered.

use std::fmt;
use std::io;
use std::time::Duration;

use http::request::Parts;

use super::endpoint::Name;
use super::http1;
use super::outgoing::BodyFault;
use super::settings::Settings;

/// Why there is no upstream of these settings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot be.
    Invalid {
        /// What the upstream is called.
        name: String,
        /// Which setting.
        setting: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// A file that TLS needs cannot be used.
    Tls {
        /// What the upstream is called.
        name: String,
        /// Which file or setting, what was found there and what is expected.
        detail: String,
    },
}

impl Error {
    pub(super) fn invalid(settings: &Settings, setting: &'static str, expected: &'static str) -> Self {
        Self::Invalid { name: settings.name.clone(), setting, expected }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { name, setting, expected } => write!(f, "{name}: {setting}: {expected}"),
            Self::Tls { name, detail } => write!(f, "{name}: tls: {detail}"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a request has no answer. `E` is the error of whoever looks at it at the last moment.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError<E> {
    /// Every connection is in use, and as many requests wait as may.
    Full {
        /// What the upstream is called.
        upstream: String,
    },
    /// There is no endpoint to send it to: the names of the upstream have no addresses.
    NoEndpoint {
        /// What the upstream is called.
        upstream: String,
    },
    /// A name has no address that is known.
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// An endpoint cannot be connected to, nor any other; this was the last.
    Connect {
        /// Which.
        endpoint: Name,
        /// Why.
        source: io::Error,
    },
    /// An endpoint cannot be connected to in time, nor any other; this was the last.
    ConnectTimeout {
        /// Which.
        endpoint: Name,
        /// The most that it may take.
        limit: Duration,
    },
    /// An endpoint was reached, but TLS with it failed: what it showed is not trusted, or it does not trust us.
    Tls {
        /// Which.
        endpoint: Name,
        /// Why.
        source: io::Error,
    },
    /// It was not sent, because of whoever looked at it at the last moment.
    Before(E),
    /// It was sent in part, and then its body failed.
    Body(BodyFault),
    /// It was sent, at least in part, and there is no answer.
    Exchange {
        /// To which endpoint.
        endpoint: Name,
        /// Whether the connection was there before: it may have been closed for having been idle.
        is_kept: bool,
        /// The head of the request, if its method is idempotent, so that it may be sent again.
        head: Option<Box<Parts>>,
        /// Why.
        source: Broke,
    },
}

impl<E> SendError<E> {
    /// Whether no endpoint could be connected to.
    pub fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::Tls { .. }
                | Self::Resolve { .. }
                | Self::NoEndpoint { .. }
        )
    }
}

impl<E> fmt::Display for SendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { upstream } => {
                write!(f, "{upstream}: every connection is in use, and no more requests may wait for one")
            }
            Self::NoEndpoint { upstream } => write!(f, "{upstream}: there is no endpoint"),
            Self::Resolve { host, .. } => write!(f, "{host}: the name has no address"),
            Self::Connect { endpoint, .. } => write!(f, "{endpoint}: cannot be connected to"),
            Self::ConnectTimeout { endpoint, limit } => {
                write!(f, "{endpoint}: cannot be connected to within {limit:?}")
            }
            Self::Tls { endpoint, .. } => write!(f, "{endpoint}: TLS failed"),
            Self::Before(_) => f.write_str("the request was not sent"),
            Self::Body(_) => f.write_str("the request was not sent as a whole"),
            Self::Exchange { endpoint, .. } => write!(f, "{endpoint}: broke off before its answer"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for SendError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full { .. } | Self::NoEndpoint { .. } | Self::ConnectTimeout { .. } => None,
            Self::Resolve { source, .. } | Self::Connect { source, .. } | Self::Tls { source, .. } => Some(source),
            Self::Before(error) => Some(error),
            Self::Body(fault) => Some(fault),
            Self::Exchange { source, .. } => Some(source),
        }
    }
}

/// Why an exchange broke off.
#[derive(Debug)]
pub struct Broke(Kind);

#[derive(Debug)]
enum Kind {
    /// Nothing was written.
    Unwritten(io::Error),
    Http1(http1::Error),
    Http2(h2::Error),
}

impl Broke {
    /// Whether what came is not HTTP, or too much of it.
    pub(crate) fn is_parse(&self) -> bool {
        match &self.0 {
            Kind::Unwritten(_) | Kind::Http2(_) => false,
            Kind::Http1(error) => error.is_parse(),
        }
    }

    /// Whether it is the fault of who sent the request.
    pub(crate) fn is_user(&self) -> bool {
        matches!(&self.0, Kind::Http2(error) if error.reason().is_none() && !error.is_io())
    }
}

impl From<io::Error> for Broke {
    fn from(error: io::Error) -> Self {
        Self(Kind::Unwritten(error))
    }
}

impl From<http1::Error> for Broke {
    fn from(error: http1::Error) -> Self {
        Self(Kind::Http1(error))
    }
}

impl From<h2::Error> for Broke {
    fn from(error: h2::Error) -> Self {
        Self(Kind::Http2(error))
    }
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unwritten(error) => error.fmt(f),
            Kind::Http1(error) => error.fmt(f),
            Kind::Http2(error) if error.is_io() => f.write_str("connection error"),
            Kind::Http2(_) => f.write_str("http2 error"),
        }
    }
}

impl std::error::Error for Broke {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Unwritten(error) => error.source(),
            Kind::Http1(error) => error.source(),
            Kind::Http2(error) => Some(error),
        }
    }
}
