//! Why a listener could not be opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Address;
use super::tls::CertificatesError;

/// Why a listener could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system does not let it listen there.
    Listen {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// Where the Unix socket should be there is something else, which is left alone.
    NotASocket {
        /// Where.
        path: PathBuf,
    },
    /// No socket of that name or index was inherited.
    NotInherited {
        /// Which one was asked for.
        address: Address,
        /// The names of those that were, a `-` for one without.
        there: Vec<String>,
    },
    /// The inherited socket belongs to another listener already.
    Claimed {
        /// Which one.
        address: Address,
    },
    /// What was inherited is not a socket that listens.
    Unusable {
        /// Which one.
        address: Address,
        /// What keeps it from being used.
        source: io::Error,
    },
    /// Its certificates cannot be used.
    Certificates(CertificatesError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } => {
                let reason = match source.kind() {
                    io::ErrorKind::AddrInUse => "address in use",
                    io::ErrorKind::AddrNotAvailable => "no such address on this machine",
                    io::ErrorKind::PermissionDenied => "not allowed to listen there",
                    _ => return write!(f, "cannot listen on {address}: {source}"),
                };
                write!(f, "{reason}: {address}")
            }
            Self::NotASocket { path } => {
                write!(f, "{} is no socket; move it away or choose another path", path.display())
            }
            Self::NotInherited { address, there } if there.is_empty() => {
                write!(f, "{address}: no socket was inherited; LISTEN_FDS and LISTEN_PID are expected to name some")
            }
            Self::NotInherited { address, there } => {
                write!(f, "{address}: no such socket was inherited; there are, from 0: {}", there.join(", "))
            }
            Self::Claimed { address } => write!(f, "{address}: another listener has taken this socket already"),
            Self::Unusable { address, source } => {
                write!(f, "{address}: {source}; a TCP or Unix stream socket that listens is expected")
            }
            Self::Certificates(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Unusable { source, .. } => Some(source),
            Self::Certificates(source) => source.source(),
            Self::NotASocket { .. } | Self::NotInherited { .. } | Self::Claimed { .. } => None,
        }
    }
}

impl From<CertificatesError> for Error {
    fn from(error: CertificatesError) -> Self {
        Self::Certificates(error)
    }
}
