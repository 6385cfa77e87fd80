//! Over real sockets, in real time: no test here waits for a limit.

use super::*;
use crate::upstream::http1::Conn;
use crate::upstream::io::Io;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::future::poll_fn;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("upstream-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn answer(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, seen: String) {
    let service = service_fn(move |request: Request<Incoming>| {
        let said = format!("{seen}{:?} {}", request.version(), request.uri());
        async move { Ok::<_, Infallible>(Response::new(Held::full(said))) }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(name: &str, issuer: &Issuer) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap(), key)
}

/// Of a server for this name; with `clients`, for those alone whom it has certified.
fn acceptor(name: &str, issuer: &Issuer, versions: &[&str], clients: Option<&Issuer>) -> TlsAcceptor {
    let (certificate, key) = leaf(name, issuer);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = match clients {
        None => builder.unwrap().with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn server(name: &str, issuer: &Issuer, versions: &[&str], clients: Option<&Issuer>) -> String {
    let acceptor = acceptor(name, issuer, versions, clients);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let name = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                answer(stream, format!("{name} ")).await;
            });
        }
    });
    format!("https://127.0.0.1:{port}")
}

fn cluster(target: &str, change: impl FnOnce(&mut Settings)) -> Result<Arc<Cluster>, Error> {
    let mut settings = Settings::new([target.parse().unwrap()]);
    change(&mut settings);
    Cluster::new(settings)
}

async fn say(pool: &Pool, request: Request<Full<Bytes>>) -> Result<String, String> {
    use std::error::Error;
    match send(pool, request).await {
        Ok(response) => Ok(text(response).await),
        Err(error) => Err(format!("{error}: {}", error.source().map(|why| why.to_string()).unwrap_or_default())),
    }
}

async fn asked(
    target: &str,
    request: Request<Full<Bytes>>,
    change: impl FnOnce(&mut Settings),
) -> Result<String, String> {
    say(&super::super::Pool::new(cluster(target, change).unwrap(), 1), request).await
}

#[tokio::test]
async fn a_unix_socket_is_a_target() {
    let folder = Folder::new();
    let path = folder.0.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, String::new()));
        }
    });
    let target = format!("unix:{}", path.display());
    assert_eq!(asked(&target, get("/a"), |_| {}).await.as_deref(), Ok("HTTP/1.1 /a"));
    assert_eq!(asked(&target, grpc("/a"), |_| {}).await.as_deref(), Ok("HTTP/2.0 http://localhost/a"));
    let nobody = asked("unix:/nowhere/socket", get("/"), |_| {}).await.unwrap_err();
    assert!(nobody.starts_with("unix:/nowhere/socket: cannot be connected to"), "{nobody}");
}

#[tokio::test]
async fn tls_chooses_the_version() {
    let (folder, issuer) = (Folder::new(), authority());
    let ca = folder.file("ca.pem", &issuer.pem());
    let trusting = |settings: &mut Settings| settings.tls.ca = Some(ca.clone());
    let both = server("127.0.0.1", &issuer, &["h2", "http/1.1"], None).await;
    let uri = both.replace("https", "HTTP/2.0 https");
    assert_eq!(asked(&both, get("/a"), trusting).await, Ok(format!("- {uri}/a")));
    assert_eq!(asked(&both, grpc("/a"), trusting).await, Ok(format!("- {uri}/a")));
    let http1 = |settings: &mut Settings| (trusting(settings), settings.http = Protocol::Http1).0;
    assert_eq!(asked(&both, get("/a"), http1).await.as_deref(), Ok("- HTTP/1.1 /a"));
    let mut upgrade = get("/a");
    upgrade.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    assert_eq!(asked(&both, upgrade, trusting).await.as_deref(), Ok("- HTTP/1.1 /a"));

    let old = server("127.0.0.1", &issuer, &["http/1.1"], None).await;
    assert_eq!(asked(&old, get("/a"), trusting).await.as_deref(), Ok("- HTTP/1.1 /a"));
    // R37: gRPC needs HTTP/2, and nothing else is tried.
    let refused = asked(&old, grpc("/a"), trusting).await.unwrap_err();
    assert!(refused.contains("TLS failed"), "{refused}");
    let silent = server("127.0.0.1", &issuer, &[], None).await;
    let refused = asked(&silent, grpc("/a"), trusting).await.unwrap_err();
    assert!(refused.contains("HTTP/2 was asked for by ALPN, and not chosen"), "{refused}");
}

#[tokio::test]
async fn requests_share_a_connection_on_which_tls_chose_http2() {
    let (folder, issuer) = (Folder::new(), authority());
    let ca = folder.file("ca.pem", &issuer.pem());
    let target = server("127.0.0.1", &issuer, &["h2", "http/1.1"], None).await;
    let pool: Pool = super::super::Pool::new(cluster(&target, |settings| settings.tls.ca = Some(ca)).unwrap(), 1);
    for _ in 0..2 {
        let (one, other) = tokio::join!(say(&pool, get("/a")), say(&pool, grpc("/b")));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    }
    assert!(pool.state().counts().0 <= 2);
}

#[tokio::test]
async fn who_is_not_trusted_is_not_spoken_to() {
    let (folder, issuer, stranger) = (Folder::new(), authority(), authority());
    let target = server("127.0.0.1", &stranger, &["http/1.1"], None).await;
    let ca = folder.file("ca.pem", &issuer.pem());
    let told = asked(&target, get("/"), |settings| settings.tls.ca = Some(ca.clone())).await.unwrap_err();
    assert!(told.contains("TLS failed: invalid peer certificate"), "{told}");
    let named = server("shop.example", &issuer, &["http/1.1"], None).await;
    let told = asked(&named, get("/"), |settings| settings.tls.ca = Some(ca.clone())).await.unwrap_err();
    assert!(told.contains("not valid for name"), "{told}");
    let right = |settings: &mut Settings| {
        settings.tls.ca = Some(ca.clone());
        settings.tls.name = Some("shop.example".to_owned());
    };
    assert_eq!(asked(&named, get("/a"), right).await.as_deref(), Ok("shop.example HTTP/1.1 /a"));
}

/// TLS takes more than a socket does, and keeps it until it is flushed.
#[tokio::test]
async fn a_head_that_tls_has_taken_leaves_though_the_peer_is_slow() {
    let issuer = authority();
    let (near, far) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    near.set_send_buffer_size(4096).unwrap();
    far.set_recv_buffer_size(4096).unwrap();
    far.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = far.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let far = async {
        let stream = listener.accept().await.unwrap().0;
        acceptor("127.0.0.1", &issuer, &[], None).accept(stream).await.unwrap()
    };
    let near = async {
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let connector = TlsConnector::from(Arc::new(builder.with_no_client_auth()));
        connector
            .connect("127.0.0.1".try_into().unwrap(), near.connect(address).await.unwrap())
            .await
            .unwrap()
    };
    let (near, mut far) = tokio::join!(near, far);
    let mut conn = Conn::new(Io::Tls(Box::new(near)));
    let mut request = get("/");
    request.headers_mut().insert("x", "a".repeat(60_000).parse().unwrap());
    assert!(conn.begin(&request).is_none());
    let head = poll_fn(|cx| conn.poll_head::<Full<Bytes>>(cx, &mut None, drop));
    let peer = async {
        // It has something else to do at first.
        sleep(Duration::from_millis(50)).await;
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n") {
            all.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    };
    let (head, ()) = timeout(Duration::from_secs(9), async { tokio::join!(head, peer) }).await.expect("it leaves");
    assert_eq!(head.unwrap().status(), 200);
}

#[tokio::test]
async fn a_certificate_is_shown_to_who_asks_for_it() {
    let (folder, issuer) = (Folder::new(), authority());
    let (certificate, key) = leaf("proxy", &issuer);
    let ca = folder.file("ca.pem", &issuer.pem());
    let files = (folder.file("chain.pem", &certificate.pem()), folder.file("key.pem", &key.serialize_pem()));
    let target = server("127.0.0.1", &issuer, &["http/1.1"], Some(&issuer)).await;
    let without = asked(&target, get("/"), |settings| settings.tls.ca = Some(ca.clone())).await;
    assert!(without.is_err());
    let with = |settings: &mut Settings| {
        settings.tls.ca = Some(ca.clone());
        settings.tls.certificate = Some(files.clone());
    };
    assert_eq!(asked(&target, get("/a"), with).await.as_deref(), Ok("- HTTP/1.1 /a"));
}

#[test]
fn what_stands_in_a_file_decides_whether_a_cluster_is_kept() {
    let (folder, issuer) = (Folder::new(), authority());
    let (certificate, key) = leaf("proxy", &issuer);
    let (chain, key) = (folder.file("chain.pem", &certificate.pem()), folder.file("key.pem", &key.serialize_pem()));
    let ca = folder.file("ca.pem", &issuer.pem());
    let before = cluster("https://127.0.0.1:1", |settings| {
        settings.tls.ca = Some(ca.clone());
        settings.tls.certificate = Some((chain.clone(), key.clone()));
    });
    let before = before.unwrap();
    assert!(before.settings().tls.files().eq([&ca, &chain, &key].map(PathBuf::from)));
    let next = || before.succeeded_by(before.settings().clone());
    folder.file("ca.pem", &issuer.pem());
    assert!(Arc::ptr_eq(&before, &next().unwrap()), "it was written, and says the same");
    let (other, other_key) = leaf("proxy", &issuer);
    folder.file("chain.pem", &other.pem());
    assert!(next().unwrap_err().to_string().contains("chain.pem with the key"), "half of it is there");
    folder.file("key.pem", &other_key.serialize_pem());
    assert!(!Arc::ptr_eq(&before, &next().unwrap()));
    folder.file("ca.pem", "none");
    assert!(next().unwrap_err().to_string().contains("no certificate in"));
}

#[test]
fn a_file_that_is_none_is_named_with_what_is_expected() {
    let (folder, issuer) = (Folder::new(), authority());
    let (certificate, key) = leaf("proxy", &issuer);
    let (chain, key) = (folder.file("chain.pem", &certificate.pem()), folder.file("key.pem", &key.serialize_pem()));
    let other = folder.file("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let told = |change: &dyn Fn(&mut Settings)| cluster("https://127.0.0.1", change).unwrap_err().to_string();
    let missing = told(&|settings| settings.tls.ca = Some("/nowhere/ca.pem".into()));
    assert!(
        missing.contains("/nowhere/ca.pem: No such file") && missing.contains("CERTIFICATE is expected"),
        "{missing}"
    );
    let empty = told(&|settings| settings.tls.ca = Some(key.clone()));
    assert!(empty.contains("no certificate in") && empty.contains("key.pem"), "{empty}");
    let no_key = told(&|settings| settings.tls.certificate = Some((chain.clone(), chain.clone())));
    assert!(no_key.contains("no private key in") && no_key.contains("PRIVATE KEY is expected"), "{no_key}");
    let unfit = told(&|settings| settings.tls.certificate = Some((chain.clone(), other.clone())));
    assert!(unfit.contains("chain.pem with the key"), "{unfit}");
    let unused = cluster("http://127.0.0.1", |settings| settings.tls.name = Some("a".to_owned())).unwrap_err();
    assert_eq!(unused.to_string(), "upstream: tls: a target that begins with https:// is expected beside it");
    let unnamed = told(&|settings| settings.tls.name = Some("not a name".to_owned()));
    assert!(unnamed.starts_with("upstream: tls.name: a name"), "{unnamed}");
}
