//! Certificates: an authority, one below it that issues, and what clients need to believe them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::support::Folder;

pub(in crate::proxy) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    below: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate, the one that it needs to be believed, and its key, in PEM.
pub(in crate::proxy) struct Issued {
    pub(in crate::proxy) chain: String,
    pub(in crate::proxy) key: String,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(in crate::proxy) fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("root"), key()).unwrap();
        let below = CertifiedIssuer::signed_by(authority("below"), key(), &root).unwrap();
        Self { root, below }
    }

    /// What clients are told to believe.
    pub(in crate::proxy) fn pem(&self) -> String {
        self.root.pem()
    }

    /// A certificate of the authority below for this name.
    pub(in crate::proxy) fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.below).unwrap();
        Issued { chain: certificate.pem() + &self.below.pem(), key: key.serialize_pem() }
    }

    /// A client that believes it, and speaks HTTP/1.1.
    pub(in crate::proxy) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl Issued {
    /// Into these two files, of which it returns the paths.
    pub(in crate::proxy) fn write(&self, folder: &Folder) -> Self {
        Self { chain: folder.write("chain.pem", &self.chain), key: folder.write("key.pem", &self.key) }
    }

    /// The certificate without those that lead to it, as a server shows it.
    pub(in crate::proxy) fn shown(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }
}
