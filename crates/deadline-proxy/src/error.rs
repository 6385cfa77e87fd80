//! What keeps the proxy from running, with the next step in it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tower_deadline::hop_by_hop::ProtocolError;

use crate::listen::{self, Address};
use crate::{access, config, limits, proxy};

/// Why the proxy did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is wrong.
    Config(config::Error),
    /// A listener for traffic could not be opened.
    Listen(listen::Error),
    /// An address was given twice.
    ListenTwice(Address),
    /// What the proxy is told cannot be kept to.
    Proxy(proxy::Error),
    /// The access log cannot be written.
    Access(access::Error),
    /// A share of requests is told for the access log, and it is not one for which a share is meant.
    Sample,
    /// A collector is named with a path, which means nothing to gRPC.
    TracesPath,
    /// Spans are to go to a collector, and this program was built without that.
    NoTraces,
    /// A limit cannot be kept.
    Limits(limits::Error),
    /// A protocol cannot be switched to.
    Upgrade(ProtocolError),
    /// Threads or their runtimes could not be had.
    Worker(io::Error),
    /// Every worker ended before it was told to.
    Ended,
    /// The admin listener could not be opened.
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
    /// One of our own listeners has the address that another is to have.
    OwnAddress {
        /// Which.
        address: SocketAddr,
        /// What has it.
        other: Address,
    },
    /// A listener of our own, which is about to close, has the address that another is to have.
    StillOpen {
        /// Which.
        address: SocketAddr,
        /// What has it.
        other: Address,
    },
    /// All that keeps it from starting.
    Unready(Vec<Error>),
    /// Signals could not be listened to.
    Signals(io::Error),
}

impl Error {
    /// Whether what it was told is wrong, and not what it met: a port in use, a system without threads.
    #[must_use]
    pub fn is_of_input(&self) -> bool {
        match self {
            Self::Config(_) | Self::ListenTwice(_) | Self::Proxy(_) | Self::Limits(_) | Self::Upgrade(_) => true,
            Self::TimeoutOverMax { .. }
            | Self::Sample
            | Self::TracesPath
            | Self::NoTraces
            | Self::OwnAddress { .. }
            | Self::StillOpen { .. } => true,
            // Another start meets what is of input again, whatever else has become of the rest.
            Self::Unready(errors) => errors.iter().any(Self::is_of_input),
            Self::Listen(error) => !matches!(error, listen::Error::Listen { .. } | listen::Error::Unusable { .. }),
            Self::Worker(_) | Self::Ended | Self::Bind { .. } | Self::Signals(_) | Self::Access(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen(error @ listen::Error::Listen { .. }) => {
                write!(f, "{error}; choose another with --listen, or in the file")
            }
            Self::Listen(error) => error.fmt(f),
            Self::ListenTwice(address) => {
                write!(f, "{address} is given twice; one listener for each address is expected")
            }
            Self::Proxy(error) => error.fmt(f),
            Self::Access(error) => error.fmt(f),
            Self::Sample => f.write_str("--access-log-sample: only with --access-log sampled"),
            Self::TracesPath => f.write_str(
                "--traces-endpoint: a path means nothing to gRPC; leave it out, or add --traces-protocol http",
            ),
            Self::NoTraces => f.write_str("--traces-endpoint: only in a program that was built with the feature otlp"),
            Self::Limits(error) => error.fmt(f),
            Self::Upgrade(error) => write!(f, "--upgrade: {error}"),
            Self::Worker(source) => write!(f, "cannot start a thread for the traffic: {source}"),
            Self::Ended => f.write_str("the traffic ended before it was told to"),
            Self::Bind { address, argument, source } => {
                let reason = match source.kind() {
                    io::ErrorKind::AddrInUse => "address in use",
                    io::ErrorKind::AddrNotAvailable => "no such address on this machine",
                    io::ErrorKind::PermissionDenied => "not allowed to listen there",
                    _ => return write!(f, "cannot listen on {address} ({argument}): {source}"),
                };
                write!(f, "{reason}: {address}; choose another with {argument}, or in the file")
            }
            Self::TimeoutOverMax { timeout, max } => {
                write!(f, "--timeout ({timeout:?}) is longer than --max ({max:?}); lower the one or raise the other")
            }
            Self::OwnAddress { address, other } => {
                write!(f, "address in use: {address}, by our own {other}; give one of them another, or leave it out")
            }
            Self::StillOpen { address, other } => {
                write!(
                    f,
                    "address in use: {address}, by our own {other}, which is open until this is in use; \
                     leave both out of one reload, or start anew"
                )
            }
            Self::Unready(errors) => f.write_str(&errors.iter().map(Self::to_string).collect::<Vec<_>>().join("\n")),
            Self::Signals(source) => write!(f, "cannot listen for signals: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Signals(source) | Self::Worker(source) => Some(source),
            Self::Config(error) => error.source(),
            Self::Listen(error) => error.source(),
            Self::Proxy(error) => error.source(),
            Self::Access(error) => error.source(),
            Self::Sample
            | Self::TracesPath
            | Self::NoTraces
            | Self::TimeoutOverMax { .. }
            | Self::ListenTwice(_)
            | Self::Limits(_)
            | Self::Upgrade(_)
            | Self::OwnAddress { .. }
            | Self::StillOpen { .. }
            | Self::Unready(_)
            | Self::Ended => None,
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
        assert_eq!(error.to_string(), "address in use: 127.0.0.1:8080; choose another with --listen, or in the file");
    }
}
