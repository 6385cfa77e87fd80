//! TLS with an endpoint: who is trusted, what is shown, and which version of HTTP is chosen.
//!
//! TLS 1.2 and 1.3. A certificate that is not trusted ends the connection: there is no way around it (R37).

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::form::Need;
use super::pems::{Pem, Pems};
use super::settings::{ClientTls, Settings};
use super::{Error, Target};

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// One for each set of versions that a request can do with.
#[derive(Clone)]
pub(super) struct Connectors {
    http1: TlsConnector,
    http2: TlsConnector,
    either: TlsConnector,
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connectors")
    }
}

impl Connectors {
    /// What the settings say; `None` where no target speaks TLS.
    pub(super) fn new(settings: &Settings, pems: &Pems) -> Result<Option<Self>, Error> {
        if !settings.targets.iter().any(Target::is_tls) {
            let is_unused = settings.tls == ClientTls::default();
            let expected = "a target that begins with https:// is expected beside it";
            return if is_unused { Ok(None) } else { Err(Error::invalid(settings, "tls", expected)) };
        }
        let base = config(pems).map_err(|detail| Error::Tls { name: settings.name.clone(), detail })?;
        let offering = |versions: &[&[u8]]| {
            let mut config = base.clone();
            config.alpn_protocols = versions.iter().map(|version| version.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let (http1, http2, either) = (offering(&[HTTP1]), offering(&[HTTP2]), offering(&[HTTP2, HTTP1]));
        Ok(Some(Self { http1, http2, either }))
    }

    /// Returns whether HTTP/2 was chosen, too.
    pub(super) async fn connect(
        &self,
        name: &ServerName<'static>,
        stream: TcpStream,
        need: Need,
    ) -> io::Result<(Box<TlsStream<TcpStream>>, bool)> {
        let connector = match need {
            Need::Http1 => &self.http1,
            Need::Http2 => &self.http2,
            Need::Either => &self.either,
        };
        let stream = connector.connect(name.clone(), stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        if need == Need::Http2 && !is_http2 {
            return Err(io::Error::other("HTTP/2 was asked for by ALPN, and not chosen"));
        }
        Ok((Box::new(stream), is_http2))
    }
}

/// The name that is asked for and verified.
pub(super) fn server_name(tls: &ClientTls, host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(tls.name.clone().unwrap_or_else(|| host.to_owned())).ok()
}

fn config(pems: &Pems) -> Result<ClientConfig, String> {
    let roots = match &pems.ca {
        Some(ca) => roots_of(ca)?,
        None => system_roots()?,
    };
    // Said here and not as the default of the process, which others may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &pems.certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, private) = (certificate.certificates()?, key.private_key()?);
    let unfit = |error| format!("{} with the key {}: {error}", certificate.path.display(), key.path.display());
    builder.with_client_auth_cert(chain, private).map_err(unfit)
}

fn roots_of(ca: &Pem) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in ca.certificates()? {
        let unfit = |error| format!("{}: {error}; certificates of authorities are expected", ca.path.display());
        roots.add(certificate).map_err(unfit)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems have a few that nobody can read.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
    Err(format!("the system trusts no authorities{why}; a file with those that are trusted is expected (ca)"))
}
