//! A stop while new connections come in: whoever was let in is answered.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Listening;
use crate::support::{Folder, H2Client, Http1Client, MS, Upstream, eventually, soon};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";

#[derive(Clone)]
enum Place {
    Port(SocketAddr),
    Unix(PathBuf),
}

/// Whether there was somebody to connect to, who must then answer.
async fn ask(place: &Place, pause: u32) -> bool {
    match place {
        Place::Port(address) => match TcpStream::connect(address).await {
            Ok(stream) => answered(stream, pause).await,
            Err(error) => return nobody(error.kind()),
        },
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => answered(stream, pause).await,
            Err(error) => return nobody(error.kind()),
        },
    }
    true
}

fn nobody(kind: ErrorKind) -> bool {
    assert!(matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::NotFound), "{kind}");
    false
}

/// Asks a moment after it has connected.
async fn answered(mut stream: impl AsyncRead + AsyncWrite + Unpin, pause: u32) {
    sleep(pause * MS).await;
    stream.write_all(GET).await.expect("who was let in can ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("who was let in is not reset");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer:?}");
}

/// Connects from many sides until nobody is there, and is told to stop in the midst of it.
async fn stop_under_load(proxy: Listening, place: Place) {
    let (mut clients, served) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for client in 0..16 {
        let (place, served) = (place.clone(), Arc::clone(&served));
        // Some ask at once, some after a while.
        let pause = [0, 0, 1, 30][client % 4];
        clients.spawn(async move {
            while soon("an exchange", ask(&place, pause)).await {
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("a load", || served.load(Ordering::Relaxed) > 200).await;
    proxy.program.terminate().await;
    clients.join_all().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
}

#[tokio::test]
async fn a_stop_loses_nobody_who_has_connected() {
    let upstream = Upstream::start().await;
    let proxy = Listening::start(&upstream, &["--listen", "127.0.0.1:0", "--workers", "4"]).await;
    let place = Place::Port(proxy.address(0));
    stop_under_load(proxy, place).await;
}

#[tokio::test]
async fn a_stop_loses_nobody_who_has_connected_to_a_unix_socket() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let path = folder.of("in.sock");
    let proxy = Listening::start(&upstream, &["--listen", &format!("unix:{path}"), "--workers", "4"]).await;
    stop_under_load(proxy, Place::Unix(path.into())).await;
}

#[tokio::test]
async fn a_connection_that_has_yet_to_ask_is_answered_once_and_closed() {
    let upstream = Upstream::start().await;
    let proxy = Listening::start(&upstream, &["--listen", "127.0.0.1:0"]).await;
    let (mut old, mut new) = (Http1Client::connect(proxy.address(0)).await, H2Client::connect(proxy.address(0)).await);
    proxy.program.terminate().await;
    sleep(200 * MS).await;
    old.get("/", "").await;
    let (head, _) = old.answer().await;
    assert_eq!((head.status(), head.headers["connection"].to_str().unwrap()), (200, "close"));
    assert_eq!(old.rest().await, "");
    let request = http::Request::get(format!("{}/", proxy.ways_in[0])).body(()).unwrap();
    assert_eq!(new.get(request).await.status, 200);
    assert_eq!(proxy.program.finish().await.code, Some(0));
}
