//! Certificates for tests, in files and in the hands of a client.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ALL_VERSIONS, ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};

use super::scratch::Scratch;
use crate::listen::ServerTls;

/// Who issues certificates.
pub(in crate::listen) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(in crate::listen) struct Issued {
    pub(in crate::listen) certificate: String,
    pub(in crate::listen) key: String,
}

impl Authority {
    pub(in crate::listen) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this name, with a key of its own.
    pub(in crate::listen) fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    pub(in crate::listen) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that trusts it, and speaks these versions.
    pub(in crate::listen) fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots)
    }

    /// A client that trusts it, shows what it was issued, and offers these protocols.
    pub(in crate::listen) fn client(&self, issued: Option<&Issued>, alpn: &[&[u8]]) -> ClientConfig {
        let builder = self.client_of(ALL_VERSIONS);
        let mut config = match issued {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

/// The files of a listener, in a folder of their own.
pub(in crate::listen) struct Files {
    folder: Scratch,
    client_ca: bool,
}

impl Files {
    pub(in crate::listen) fn of(issued: &Issued) -> Self {
        let files = Self { folder: Scratch::new(), client_ca: false };
        files.write(issued);
        files
    }

    /// Lets in only clients of this one.
    pub(in crate::listen) fn trusting(mut self, authority: &Authority) -> Self {
        self.client_ca = true;
        self.trust(authority);
        self
    }

    pub(in crate::listen) fn write(&self, Issued { certificate, key }: &Issued) {
        fs::write(self.folder.path("certificate.pem"), certificate).unwrap();
        fs::write(self.folder.path("key.pem"), key).unwrap();
    }

    pub(in crate::listen) fn trust(&self, authority: &Authority) {
        fs::write(self.folder.path("clients.pem"), authority.pem()).unwrap();
    }

    pub(in crate::listen) fn settings(&self) -> ServerTls {
        ServerTls {
            certificate: self.folder.path("certificate.pem"),
            key: self.folder.path("key.pem"),
            client_ca: self.client_ca.then(|| self.folder.path("clients.pem")),
        }
    }
}
