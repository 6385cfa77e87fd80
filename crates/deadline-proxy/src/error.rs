//! What keeps the proxy from running, with the next step in it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why the proxy did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A listener could not be opened.
    Bind {
        /// Where.
        address: SocketAddr,
        /// The argument that chooses another address.
        argument: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The default is longer than the most.
    TimeoutOverMax {
        /// The default.
        timeout: Duration,
        /// The most.
        max: Duration,
    },
    /// Signals could not be listened to.
    Signals(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, argument, source } => {
                let reason = match source.kind() {
                    io::ErrorKind::AddrInUse => "address in use",
                    io::ErrorKind::AddrNotAvailable => "no such address on this machine",
                    io::ErrorKind::PermissionDenied => "not allowed to listen there",
                    _ => return write!(f, "cannot listen on {address} ({argument}): {source}"),
                };
                write!(f, "{reason}: {address}; choose another with {argument}")
            }
            Self::TimeoutOverMax { timeout, max } => {
                write!(f, "--timeout ({timeout:?}) is longer than --max ({max:?}); lower the one or raise the other")
            }
            Self::Signals(source) => write!(f, "cannot listen for signals: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Signals(source) => Some(source),
            Self::TimeoutOverMax { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_tells_how_to_choose_another() {
        let source = io::Error::from(io::ErrorKind::AddrInUse);
        let error = Error::Bind { address: ([127, 0, 0, 1], 8080).into(), argument: "--listen", source };
        assert_eq!(error.to_string(), "address in use: 127.0.0.1:8080; choose another with --listen");
    }
}
