//! Certificates that are replaced while connections are open.

use std::fs;
use std::os::unix::fs::symlink;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::Issued;
use super::{Authority, Listening};
use crate::support::{Folder, MS, Upstream, soon};

struct Scene {
    _upstream: Upstream,
    authority: Authority,
    folder: Folder,
    proxy: Listening,
}

impl Scene {
    /// A listener whose files are a link each, to those in a folder that is a link too: as Kubernetes mounts a secret.
    async fn mounted(first: &dyn Fn(&Authority) -> Issued) -> Self {
        let (upstream, folder, authority) = (Upstream::start().await, Folder::new(), Authority::new());
        put(&folder, "first", &first(&authority));
        symlink("first", folder.of("data")).unwrap();
        for name in ["chain.pem", "key.pem"] {
            symlink(format!("data/{name}"), folder.of(name)).unwrap();
        }
        let (chain, key) = (folder.of("chain.pem"), folder.of("key.pem"));
        let arguments = ["--listen-tls", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key, "--workers", "2"];
        let proxy = Listening::start(&upstream, &arguments).await;
        Self { _upstream: upstream, authority, folder, proxy }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.proxy.address(0)).await.unwrap();
        let name = ServerName::try_from("shop.example").unwrap();
        let handshake = TlsConnector::from(self.authority.client()).connect(name, stream);
        soon("a handshake", handshake).await.unwrap()
    }

    /// What a new connection is shown.
    async fn shown(&self) -> CertificateDer<'static> {
        self.connect().await.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// Waits until each new connection is shown this, whichever worker has it.
    async fn until_shown(&self, issued: &Issued) {
        let shown = async {
            while self.shown().await != issued.shown() {
                sleep(20 * MS).await;
            }
        };
        soon("the new certificate", shown).await;
        for _ in 0..8 {
            assert_eq!(self.shown().await, issued.shown());
        }
    }

    async fn refused(&self) -> u64 {
        self.proxy.counted(r#"deadline_proxy_certificate_reloads_total{outcome="refused"}"#).await
    }
}

fn put(folder: &Folder, name: &str, issued: &Issued) {
    fs::create_dir(folder.path().join(name)).unwrap();
    folder.write(&format!("{name}/chain.pem"), &issued.chain);
    folder.write(&format!("{name}/key.pem"), &issued.key);
}

async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        assert_ne!(soon("an answer", stream.read_buf(&mut answer)).await.unwrap(), 0);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

fn shop(authority: &Authority) -> Issued {
    authority.issue("shop.example")
}

#[tokio::test]
async fn files_that_are_replaced_in_any_way_are_in_use_and_old_connections_go_on() {
    let scene = Scene::mounted(&shop).await;
    let (folder, mut old) = (&scene.folder, scene.connect().await);
    ask(&mut old).await;

    // The folder is exchanged as a whole.
    let issued = shop(&scene.authority);
    put(folder, "second", &issued);
    symlink("second", folder.of("new")).unwrap();
    fs::rename(folder.of("new"), folder.of("data")).unwrap();
    scene.until_shown(&issued).await;
    ask(&mut old).await;

    // Each file is exchanged as a whole.
    let issued = shop(&scene.authority);
    for (name, text) in [("chain.pem", &issued.chain), ("key.pem", &issued.key)] {
        fs::rename(folder.write("new", text), folder.of(name)).unwrap();
    }
    scene.until_shown(&issued).await;
    ask(&mut old).await;

    // Each file is written over.
    let issued = shop(&scene.authority);
    for (name, text) in [("chain.pem", &issued.chain), ("key.pem", &issued.key)] {
        folder.write(name, text);
    }
    scene.until_shown(&issued).await;
    ask(&mut old).await;
    ask(&mut scene.connect().await).await;
}

#[tokio::test]
async fn a_broken_file_is_refused_and_told_and_the_old_one_serves_on() {
    let scene = Scene::mounted(&shop).await;
    let (folder, before) = (&scene.folder, scene.shown().await);
    let foreign = scene.authority.issue("shop.example");
    for broken in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &foreign.chain] {
        folder.write("chain.pem", broken);
        let refused = scene.refused().await;
        let refusal = async {
            while scene.refused().await < refused + 2 {
                sleep(50 * MS).await;
            }
        };
        soon("a refusal", refusal).await;
        assert_eq!(scene.shown().await, before);
        ask(&mut scene.connect().await).await;
    }
    let last = shop(&scene.authority);
    folder.write("key.pem", &last.key);
    folder.write("chain.pem", &last.chain);
    scene.until_shown(&last).await;
    scene.proxy.program.terminate().await;
    let told = scene.proxy.program.finish().await.stderr;
    for what in ["the old certificate stays in use", "no CERTIFICATE in", "chain.pem", "another certificate is in use"]
    {
        assert!(told.contains(what), "{what}: {told}");
    }
}
