//! The PROXY header: whom it is read from, and what then holds.

use std::io;
use std::net::SocketAddr;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scratch::Scratch;
use super::{at, connect, connect_unix, listen, loopback};
use crate::listen::stream::{Replay, Transport};
use crate::listen::{EstablishError, Raw, Settings, Stream};

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 12345 443\r\n";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn believing(settings: Settings, peers: &str) -> Settings {
    Settings { proxy_protocol: Some(peers.parse().unwrap()), ..settings }
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

async fn rest(mut stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_trusted_peer_says_for_whom_it_asks() {
    let (listener, there) = listen(&believing(loopback(), "127.0.0.0/8"));
    let mut balancer = connect(&there).await;
    balancer.write_all(&[HEADER, REQUEST].concat()).await.unwrap();
    balancer.shutdown().await.unwrap();
    let (stream, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
    assert_eq!(who.peer, balancer.local_addr().ok());
    assert_eq!((who.address, who.local), (address("192.0.2.1:12345"), address("198.51.100.7:443")));
    assert_eq!(rest(stream).await, REQUEST);
}

#[tokio::test]
async fn a_trusted_peer_may_speak_for_itself() {
    let (listener, there) = listen(&believing(loopback(), "127.0.0.1"));
    let mut check = connect(&there).await;
    check.write_all(&[LOCAL, REQUEST].concat()).await.unwrap();
    check.shutdown().await.unwrap();
    let (stream, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
    assert_eq!((who.address, who.local), (check.local_addr().ok(), check.peer_addr().ok()));
    assert_eq!(rest(stream).await, REQUEST);
}

/// Who is behind a trusted peer is not trusted because of it.
#[tokio::test]
async fn whoever_a_trusted_peer_does_not_name_is_not_that_peer() {
    let (listener, there) = listen(&believing(loopback(), "127.0.0.1"));
    let mut balancer = connect(&there).await;
    balancer.write_all(UNKNOWN).await.unwrap();
    let (_, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
    assert_eq!((who.peer, who.address, who.local), (balancer.local_addr().ok(), None, balancer.peer_addr().ok()));
}

#[tokio::test]
async fn a_header_of_anybody_else_is_no_header() {
    for settings in [loopback(), believing(loopback(), "10.0.0.0/8,unix,::1")] {
        let (listener, there) = listen(&settings);
        let mut liar = connect(&there).await;
        liar.write_all(&[HEADER, REQUEST].concat()).await.unwrap();
        liar.shutdown().await.unwrap();
        let (stream, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
        assert_eq!(who.address, liar.local_addr().ok());
        assert_eq!(rest(stream).await, [HEADER, REQUEST].concat(), "HTTP refuses it");
    }
}

#[tokio::test]
async fn a_trusted_peer_without_a_header_is_refused_and_named() {
    let (listener, there) = listen(&believing(loopback(), "127.0.0.1"));
    let mut peer = connect(&there).await;
    peer.write_all(REQUEST).await.unwrap();
    let error = listener.accept().await.unwrap().establish().await.unwrap_err();
    let found = "a PROXY header is expected, found \"GET / HTTP/1.1\\r\\nHost: a.\"";
    assert_eq!(error.to_string(), format!("{}: {found}", peer.local_addr().unwrap()));
    assert!(matches!(error, EstablishError::ProxyHeader { .. }));
}

#[tokio::test]
async fn a_trusted_peer_that_leaves_is_not_counted_as_refused() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (listener, there) = listen(&believing(loopback(), "127.0.0.1"));
    for sent in [&b""[..], &HEADER[..20]] {
        let mut check = connect(&there).await;
        check.write_all(sent).await.unwrap();
        drop(check);
        let error = listener.accept().await.unwrap().establish().await.unwrap_err();
        assert!(matches!(&error, EstablishError::Gone(source) if source.kind() == io::ErrorKind::UnexpectedEof));
        assert!(error.to_string().starts_with("the peer left before it had asked for anything: "), "{error}");
    }
    assert_eq!(recorder.handle().render(), "");

    connect(&there).await.write_all(REQUEST).await.unwrap();
    assert!(listener.accept().await.unwrap().establish().await.is_err());
    let counted = recorder.handle().render();
    assert!(counted.contains("deadline_proxy_refusals_total{reason=\"proxy_header\"} 1"), "{counted}");
}

#[tokio::test]
async fn a_unix_peer_is_believed_where_it_is_trusted() {
    let folder = Scratch::new();
    let (listener, there) = listen(&believing(at(&folder.path("proxy.sock")), "unix"));
    let mut balancer = connect_unix(&there).await;
    balancer.write_all(&[HEADER, REQUEST].concat()).await.unwrap();
    balancer.shutdown().await.unwrap();
    let (stream, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
    assert_eq!((who.peer, who.address), (None, address("192.0.2.1:12345")));
    assert_eq!(rest(stream).await, REQUEST);

    let mut peer = connect_unix(&there).await;
    peer.write_all(b"\x16\x03\x01").await.unwrap();
    let error = listener.accept().await.unwrap().establish().await.unwrap_err();
    assert_eq!(error.to_string(), "unix: a PROXY header is expected, found \"\\x16\\x03\\x01\"");
}

#[tokio::test]
async fn one_that_says_nothing_keeps_nobody_else_waiting() {
    let (listener, there) = listen(&believing(loopback(), "127.0.0.1"));
    let _silent = connect(&there).await;
    let mut balancer = connect(&there).await;
    balancer.write_all(HEADER).await.unwrap();
    let silent = listener.accept().await.unwrap();
    let silent = tokio::spawn(silent.establish());
    assert!(listener.accept().await.unwrap().establish().await.is_ok());
    assert!(!silent.is_finished());
    silent.abort();
}

#[tokio::test]
async fn a_half_close_is_seen_and_ours_is_passed_on() {
    let (listener, there) = listen(&loopback());
    let mut client = connect(&there).await;
    let (mut stream, ..) = listener.accept().await.unwrap().establish().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    stream.write_all(b"late").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"late");
}

#[tokio::test]
async fn slices_are_written_together() {
    let (listener, there) = listen(&loopback());
    let mut client = connect(&there).await;
    let (mut stream, ..) = listener.accept().await.unwrap().establish().await.unwrap();
    let slices = [io::IoSlice::new(b"head"), io::IoSlice::new(b"body")];
    assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
    assert_eq!(stream.write_vectored(&slices).await.unwrap(), 8);
    let mut read = [0; 8];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"headbody");
}

#[tokio::test]
async fn what_was_read_ahead_comes_first_in_pieces_of_any_size() {
    for size in 1..=REQUEST.len() + 1 {
        let mut stream = Replay::new(REQUEST, bytes::Bytes::from_static(HEADER));
        let mut read = Vec::new();
        let mut piece = vec![0; size];
        loop {
            match stream.read(&mut piece).await.unwrap() {
                0 => break,
                length => read.extend_from_slice(&piece[..length]),
            }
        }
        assert_eq!(read, [HEADER, REQUEST].concat(), "{size}");
    }
}

/// Ten thousand idle connections each have one.
#[test]
fn a_plain_connection_has_no_room_for_tls() {
    assert!(size_of::<Stream>() <= size_of::<Transport>() + 16, "{}", size_of::<Stream>());
    fn size_of_future<F>(_: impl Fn(Raw) -> F) -> usize {
        size_of::<F>()
    }
    let size = size_of_future(Raw::establish);
    assert!(size <= 768, "{size}");
}
