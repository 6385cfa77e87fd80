//! Why certificates cannot be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;

/// Why certificates cannot be used: which file, and what is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificatesError {
    /// A file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not written as PEM must be.
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// What is needed is not in the file.
    Missing {
        /// Which.
        path: PathBuf,
        /// The section that is.
        expected: &'static str,
        /// The sections that are there, in their order.
        found: Vec<String>,
    },
    /// What is in the file cannot be used.
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key is another certificate's.
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Nobody can be verified by these authorities.
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// The cryptography that is built in does not work here.
    Provider(rustls::Error),
}

impl fmt::Display for CertificatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Pem { path, source } => write!(f, "{} is not PEM as it must be: {source}", path.display()),
            Self::Missing { path, expected, found } => {
                let found = if found.is_empty() { "no PEM section".to_owned() } else { found.join(", ") };
                write!(f, "no {expected} in {}, which has {found}; ", path.display())?;
                write!(f, "a PEM file with {expected} is expected")
            }
            Self::Unusable { path, source } => write!(f, "cannot use {}: {source}", path.display()),
            Self::KeyMismatch { certificate, key } => {
                let (certificate, key) = (certificate.display(), key.display());
                write!(f, "the key in {key} is not that of the certificate in {certificate}; both must be renewed")
            }
            Self::ClientCa { path, source } => write!(f, "cannot verify clients by {}: {source}", path.display()),
            Self::Provider(source) => write!(f, "TLS cannot be set up: {source}"),
        }
    }
}

impl std::error::Error for CertificatesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Pem { source, .. } => Some(source),
            Self::Unusable { source, .. } | Self::Provider(source) => Some(source),
            Self::ClientCa { source, .. } => Some(source),
            Self::Missing { .. } | Self::KeyMismatch { .. } => None,
        }
    }
}
