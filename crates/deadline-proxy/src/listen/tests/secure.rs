//! TLS, with clients as rustls makes them.

use std::io;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::{Authority, Files};
use super::scratch::Scratch;
use super::{at, bind, connect, connect_unix, listen, loopback, reaches};
use crate::client::Client;
use crate::listen::{Alpn, EstablishError, Listener, Settings, Stream};

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

type Established = Result<(Stream, Client, Option<Alpn>), EstablishError>;

fn secure(settings: Settings, files: &Files) -> Settings {
    Settings { tls: Some(files.settings()), ..settings }
}

/// Both ends of a handshake, in one task each.
async fn shake<T>(listener: &Listener, transport: T, config: ClientConfig) -> (Established, io::Result<TlsStream<T>>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let name = ServerName::try_from("localhost").unwrap();
    let raw = listener.accept().await.unwrap();
    tokio::join!(raw.establish(), TlsConnector::from(Arc::new(config)).connect(name, transport))
}

#[tokio::test]
async fn http2_and_http1_are_agreed_on_or_nothing_is() {
    let authority = Authority::new("authority");
    let (listener, there) = listen(&secure(loopback(), &Files::of(&authority.issue("localhost"))));
    for (offered, agreed) in [
        (BOTH, Some(Alpn::Http2)),
        (&[b"http/1.1" as &[u8], b"h2"], Some(Alpn::Http2)),
        (&[b"http/1.1"], Some(Alpn::Http1)),
        (&[], None),
    ] {
        let transport = connect(&there).await;
        let peer = transport.local_addr().ok();
        let (established, client) = shake(&listener, transport, authority.client(None, offered)).await;
        let ((mut stream, who, alpn), mut client) = (established.unwrap(), client.unwrap());
        assert_eq!((alpn, who.tls, who.address), (agreed, true, peer), "{offered:?}");
        assert_eq!(client.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert!(reaches(&mut client, &mut stream, b"there").await && reaches(&mut stream, &mut client, b"back").await);
    }
    let (established, _) = shake(&listener, connect(&there).await, authority.client(None, &[b"spdy/3"])).await;
    assert!(matches!(established, Err(EstablishError::Tls { source: rustls::Error::NoApplicationProtocol, .. })));
}

#[tokio::test]
async fn version_1_2_is_spoken_with_who_has_no_other() {
    let authority = Authority::new("authority");
    let (listener, there) = listen(&secure(loopback(), &Files::of(&authority.issue("localhost"))));
    let config = authority.client_of(&[&rustls::version::TLS12]).with_no_client_auth();
    let (established, client) = shake(&listener, connect(&there).await, config).await;
    assert!(established.is_ok());
    assert_eq!(client.unwrap().get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
}

#[tokio::test]
async fn a_proxy_header_stands_before_tls() {
    let authority = Authority::new("authority");
    let files = Files::of(&authority.issue("localhost"));
    let settings = Settings { proxy_protocol: Some("127.0.0.1".parse().unwrap()), ..secure(loopback(), &files) };
    let (listener, there) = listen(&settings);
    let mut transport = connect(&there).await;
    transport.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\r\n").await.unwrap();
    let (established, client) = shake(&listener, transport, authority.client(None, BOTH)).await;
    let ((mut stream, who, _), mut client) = (established.unwrap(), client.unwrap());
    assert_eq!((who.address, who.tls), ("192.0.2.1:12345".parse().ok(), true));
    assert!(reaches(&mut client, &mut stream, b"there").await);
}

#[tokio::test]
async fn tls_is_spoken_over_a_unix_socket_too() {
    let authority = Authority::new("authority");
    let folder = Scratch::new();
    let files = Files::of(&authority.issue("localhost"));
    let (listener, there) = listen(&secure(at(&folder.path("proxy.sock")), &files));
    let (established, client) = shake(&listener, connect_unix(&there).await, authority.client(None, BOTH)).await;
    let ((mut stream, who, alpn), mut client) = (established.unwrap(), client.unwrap());
    assert_eq!((who.peer, who.tls, alpn), (None, true, Some(Alpn::Http2)));
    assert!(reaches(&mut client, &mut stream, b"there").await);
    // Our end is told before the connection is shut, so that nobody takes a cut for it.
    stream.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn with_authorities_of_clients_only_theirs_come_in() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let files = Files::of(&ours.issue("localhost")).trusting(&theirs);
    let (listener, there) = listen(&secure(loopback(), &files));
    let known = theirs.issue("client");
    let (established, client) = shake(&listener, connect(&there).await, ours.client(Some(&known), BOTH)).await;
    let ((mut stream, ..), mut client) = (established.unwrap(), client.unwrap());
    assert!(reaches(&mut client, &mut stream, b"there").await);
    for (stranger, why) in [(None, "sent no certificates"), (Some(ours.issue("client")), "UnknownIssuer")] {
        let (established, _) = shake(&listener, connect(&there).await, ours.client(stranger.as_ref(), BOTH)).await;
        let error = established.unwrap_err().to_string();
        assert!(error.starts_with("127.0.0.1:") && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_who_leaves_is_gone() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let authority = Authority::new("authority");
    let (listener, there) = listen(&secure(loopback(), &Files::of(&authority.issue("localhost"))));
    let mut plain = connect(&there).await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let error = listener.accept().await.unwrap().establish().await.unwrap_err();
    assert!(matches!(error, EstablishError::Tls { source: rustls::Error::InvalidMessage(_), .. }), "{error}");
    drop(connect(&there).await);
    let error = listener.accept().await.unwrap().establish().await.unwrap_err();
    assert!(matches!(error, EstablishError::Gone(_)), "{error}");
    let counted = recorder.handle().render();
    assert!(counted.contains("deadline_proxy_refusals_total{reason=\"tls\"} 1"), "{counted}");
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_old_ones_go_on() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::of(&old.issue("localhost")).trusting(&old);
    let bound = bind(&secure(loopback(), &files), 1).unwrap();
    let (there, certificates) = (bound.address(), bound.tls().unwrap());
    let listener = bound.sockets().remove(0).listen().unwrap();
    let client = |authority: &Authority, issuer: &Authority| authority.client(Some(&issuer.issue("client")), BOTH);

    let (established, before) = shake(&listener, connect(&there).await, client(&old, &old)).await;
    let ((mut stream, ..), mut before) = (established.unwrap(), before.unwrap());

    files.write(&new.issue("localhost"));
    files.trust(&new);
    assert!(certificates.reload().unwrap());
    assert!(!certificates.reload().unwrap());

    assert!(reaches(&mut before, &mut stream, b"still").await && reaches(&mut stream, &mut before, b"there").await);
    let (established, after) = shake(&listener, connect(&there).await, client(&new, &new)).await;
    assert!(established.is_ok() && after.is_ok());
    let (established, _) = shake(&listener, connect(&there).await, client(&new, &old)).await;
    assert!(established.is_err(), "whoever was trusted is not any more");
}

#[tokio::test]
async fn a_session_is_resumed_until_the_next_reload() {
    let authority = Authority::new("authority");
    let files = Files::of(&authority.issue("localhost")).trusting(&authority);
    let bound = bind(&secure(loopback(), &files), 1).unwrap();
    let (there, certificates) = (bound.address(), bound.tls().unwrap());
    let listener = bound.sockets().remove(0).listen().unwrap();
    let config = authority.client(Some(&authority.issue("client")), BOTH);
    let mut kinds = Vec::new();
    for round in 0..3 {
        if round == 2 {
            files.write(&authority.issue("localhost"));
            assert!(certificates.reload().unwrap());
        }
        let (established, client) = shake(&listener, connect(&there).await, config.clone()).await;
        let ((mut stream, ..), mut client) = (established.unwrap(), client.unwrap());
        // Tickets come with the first bytes.
        assert!(reaches(&mut stream, &mut client, b"ticket").await);
        kinds.push(client.get_ref().1.handshake_kind().unwrap());
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Full]);
}
