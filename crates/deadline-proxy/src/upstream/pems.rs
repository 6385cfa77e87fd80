//! The PEM files that an upstream names: what stands in them.
//!
//! Covers reading each of them once, so that what is compared later is what is in use. Does not watch them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::ClientTls;

const CERTIFICATE: &str = "a PEM file with CERTIFICATE is expected";
const KEY: &str = "a PEM file with PRIVATE KEY is expected";

/// What stands in the files of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pems {
    /// `None` where the system's authorities are trusted.
    pub(super) ca: Option<Pem>,
    /// The certificate chain that is shown, and its key.
    pub(super) certificate: Option<(Pem, Pem)>,
}

impl Pems {
    pub(super) fn read(tls: &ClientTls) -> Result<Self, String> {
        let ca = tls.ca.as_deref().map(|path| Pem::read(path, CERTIFICATE)).transpose()?;
        let certificate = match &tls.certificate {
            Some((chain, key)) => Some((Pem::read(chain, CERTIFICATE)?, Pem::read(key, KEY)?)),
            None => None,
        };
        Ok(Self { ca, certificate })
    }
}

/// A file, and what stands in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pem {
    pub(super) path: PathBuf,
    text: Vec<u8>,
}

impl fmt::Debug for Pem {
    /// Not what stands in it: it may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.path).finish()
    }
}

impl Pem {
    fn read(path: &Path, expected: &str) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}; {expected}", path.display());
        Ok(Self { path: path.to_owned(), text: fs::read(path).map_err(failed)? })
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        let found = found.map_err(|error| self.told(&error, CERTIFICATE))?;
        if found.is_empty() {
            return Err(format!("no certificate in {}; {CERTIFICATE}", self.path.display()));
        }
        Ok(found)
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| match error {
            pem::Error::NoItemsFound => format!("no private key in {}; {KEY}", self.path.display()),
            error => self.told(&error, KEY),
        })
    }

    fn told(&self, error: &pem::Error, expected: &str) -> String {
        format!("{}: {error}; {expected}", self.path.display())
    }
}
