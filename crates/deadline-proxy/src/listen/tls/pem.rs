//! Certificates and keys out of PEM, and what is there instead of them.

use std::path::Path;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::CertificatesError;

/// All certificates, in their order; at least one.
pub(super) fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(|source| CertificatesError::Pem { path: path.to_owned(), source })?;
    if certificates.is_empty() { Err(missing(pem, path, "CERTIFICATE")) } else { Ok(certificates) }
}

/// The first key that is not encrypted: PKCS #8, PKCS #1 or SEC 1.
pub(super) fn key(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, CertificatesError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound => missing(pem, path, "PRIVATE KEY"),
        source => CertificatesError::Pem { path: path.to_owned(), source },
    })
}

fn missing(pem: &[u8], path: &Path, expected: &'static str) -> CertificatesError {
    CertificatesError::Missing { path: path.to_owned(), expected, found: labels(pem) }
}

fn labels(pem: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(pem);
    let label = |line: &str| Some(line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?.to_owned());
    text.lines().filter_map(label).collect()
}
