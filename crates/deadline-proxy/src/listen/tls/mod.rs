//! TLS of a listener: its certificate, its key, and whom it lets in.
//!
//! Covers reading the files, checking that they belong together, and exchanging them while connections are open:
//! those keep what they began with. Versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, no early data (it could be
//! replayed). Knows one certificate for all names, asks nobody whether one was revoked, and does not say when it
//! runs out.

mod error;
mod pem;
mod watch;

#[cfg(test)]
mod tests;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

pub use error::CertificatesError;

use crate::count::{self, Reload};

/// As ALPN writes it.
pub(super) const HTTP1: &[u8] = b"http/1.1";
/// As ALPN writes it.
pub(super) const HTTP2: &[u8] = b"h2";

/// The files of a listener that speaks TLS, all of them PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerTls {
    /// The certificate, followed by those that lead to an authority that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients: with them, a client without a certificate of one of them is refused.
    pub client_ca: Option<PathBuf>,
}

/// What a listener shows its clients and asks of them, as its files said when they were read last.
#[derive(Debug)]
pub struct Certificates {
    files: ServerTls,
    config: ArcSwap<ServerConfig>,
    /// Of what is in use. Held while the files are read, so that two reloads do not cross.
    fingerprint: Mutex<u64>,
}

impl Certificates {
    /// Reads the files, and checks that they belong together.
    ///
    /// # Errors
    ///
    /// Which file cannot be used, what was found in it, and what is expected.
    pub fn load(files: &ServerTls) -> Result<Self, CertificatesError> {
        let contents = Contents::read(files)?;
        let (config, fingerprint) = (contents.config(files)?, Mutex::new(contents.fingerprint()));
        Ok(Self { files: files.clone(), config: ArcSwap::from_pointee(config), fingerprint })
    }

    /// Reads the files again; `true` where they say something else, which holds for each connection from here on.
    /// Sessions of before are not resumed, so whoever is trusted no longer does not come in by one. Blocks on files.
    ///
    /// # Errors
    ///
    /// As [`Certificates::load`]; what was in use stays so. Counted at each try.
    pub fn reload(&self) -> Result<bool, CertificatesError> {
        self.look().1
    }

    /// As [`Certificates::reload`], with a mark of what was read, if it could be.
    fn look(&self) -> (Option<u64>, Result<bool, CertificatesError>) {
        let mut fingerprint = self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = Contents::read(&self.files);
        let found = contents.as_ref().ok().map(Contents::fingerprint);
        let outcome = if found == Some(*fingerprint) {
            Ok(false)
        } else {
            contents.and_then(|contents| contents.config(&self.files)).map(|config| {
                self.config.store(Arc::new(config));
                *fingerprint = found.unwrap_or_default();
                true
            })
        };
        match outcome {
            Ok(true) => count::reloaded(Reload::Renewed),
            Ok(false) => {}
            Err(_) => count::reloaded(Reload::Refused),
        }
        (found, outcome)
    }

    /// What the next connection is to be accepted with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

/// What is in the files.
#[derive(Hash)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &ServerTls) -> Result<Self, CertificatesError> {
        let read =
            |path: &PathBuf| fs::read(path).map_err(|source| CertificatesError::Read { path: path.clone(), source });
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_ref().map(read).transpose()?,
        })
    }

    /// Tells contents apart without keeping a key in memory for it.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn config(&self, files: &ServerTls) -> Result<ServerConfig, CertificatesError> {
        // Named here: a default of the process would depend on who else is linked.
        let provider = Arc::new(ring::default_provider());
        let certified = self.certified(files, &provider)?;
        let clients = self.client_ca.as_deref().zip(files.client_ca.as_deref());
        let clients = clients.map(|(pem, path)| verifier(pem, path, &provider)).transpose()?;
        let versions = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = versions.map_err(CertificatesError::Provider)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        // Sessions are kept by the clients: however many there are, they cost nothing here.
        config.ticketer = ring::Ticketer::new().map_err(CertificatesError::Provider)?;
        Ok(config)
    }

    fn certified(&self, files: &ServerTls, provider: &CryptoProvider) -> Result<CertifiedKey, CertificatesError> {
        let chain = pem::certificates(&self.certificate, &files.certificate)?;
        let key = pem::key(&self.key, &files.key)?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|source| CertificatesError::Unusable { path: files.key.clone(), source })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A key that cannot tell its public half is shown to clients, and they tell.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(CertificatesError::KeyMismatch { certificate: files.certificate.clone(), key: files.key.clone() })
            }
            Err(source) => Err(CertificatesError::Unusable { path: files.certificate.clone(), source }),
        }
    }
}

fn verifier(
    pem: &[u8],
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, CertificatesError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(pem, path)? {
        let added = roots.add(certificate);
        added.map_err(|source| CertificatesError::Unusable { path: path.to_owned(), source })?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    verifier.map_err(|source| CertificatesError::ClientCa { path: path.to_owned(), source })
}
