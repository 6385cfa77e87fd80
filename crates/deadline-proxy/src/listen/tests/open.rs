//! Opening, and what is told where that fails.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::scratch::Scratch;
use super::{at, bind, connect, connect_unix, listen, loopback, reaches};
use crate::listen::Settings;

fn at_port(address: &str) -> Settings {
    Settings::new(address.parse().unwrap())
}

#[tokio::test]
async fn every_copy_has_the_port_that_was_announced_and_gets_its_share() {
    let bound = bind(&loopback(), 4).unwrap();
    let address = bound.address();
    assert!(!address.ends_with(":0"), "{address}");
    let listeners: Vec<_> = bound.sockets().into_iter().map(|socket| socket.listen().unwrap()).collect();
    assert_eq!(listeners.len(), 4);
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(connect(&address).await);
    }
    let mut accepted = Vec::new();
    for listener in &listeners {
        let mut count = 0;
        while timeout(Duration::ZERO, listener.accept()).await.is_ok() {
            count += 1;
        }
        accepted.push(count);
    }
    // 50 each; that the system gives one of them fewer than 10 by chance does not happen.
    assert!(accepted.iter().sum::<usize>() == 200 && accepted.iter().all(|count| *count >= 10), "{accepted:?}");
}

#[test]
fn an_address_in_use_is_told_whoever_uses_it() {
    for (ours, theirs) in [(1, 1), (1, 4), (4, 1), (4, 4)] {
        let first = bind(&loopback(), ours).unwrap();
        let error = bind(&at_port(&first.address()), theirs).unwrap_err();
        assert_eq!(error.to_string(), format!("address in use: {}", first.address()));
    }
}

#[tokio::test]
async fn a_port_is_free_again_at_once() {
    let (listener, address) = listen(&loopback());
    let mut client = connect(&address).await;
    // Who closes first is who has to remember the connection.
    drop(listener.accept().await.unwrap());
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    drop((client, listener));
    assert_eq!(bind(&at_port(&address), 2).unwrap().address(), address);
}

#[test]
fn one_copy_is_shared_with_nobody() {
    let join = |address: String| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SockAddr::from(address.parse::<SocketAddr>().unwrap()))
    };
    let (alone, several) = (bind(&loopback(), 1).unwrap(), bind(&loopback(), 2).unwrap());
    assert!(join(alone.address()).is_err());
    assert!(join(several.address()).is_ok(), "which shows that this would join");
}

#[test]
fn an_address_of_another_machine_is_told() {
    let error = bind(&at_port("192.0.2.1:0"), 2).unwrap_err();
    assert_eq!(error.to_string(), "no such address on this machine: 192.0.2.1:0");
}

#[tokio::test]
async fn both_families_are_served() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (listener, address) = listen(&at_port(address));
        let mut client = connect(&address).await;
        let (mut stream, who, alpn) = listener.accept().await.unwrap().establish().await.unwrap();
        assert_eq!((who.peer, who.address), (client.local_addr().ok(), client.local_addr().ok()));
        assert_eq!((who.local, who.tls, alpn), (client.peer_addr().ok(), false, None));
        assert!(reaches(&mut client, &mut stream, b"there").await && reaches(&mut stream, &mut client, b"back").await);
    }
}

#[tokio::test]
async fn small_answers_do_not_wait() {
    use crate::listen::stream::Transport;
    let (listener, address) = listen(&loopback());
    let _client = connect(&address).await;
    let raw = listener.accept().await.unwrap();
    assert!(matches!(&raw.transport, Transport::Tcp(stream) if stream.nodelay().unwrap()));
}

#[tokio::test]
async fn an_ipv4_peer_on_a_socket_for_both_is_shown_as_ipv4() {
    let (listener, address) = listen(&at_port("[::ffff:127.0.0.1]:0"));
    let port = address.rsplit_once(':').unwrap().1;
    let client = connect(&format!("127.0.0.1:{port}")).await;
    let raw = listener.accept().await.unwrap();
    assert_eq!(raw.peer(), client.local_addr().ok());
    let (_stream, who, _) = raw.establish().await.unwrap();
    assert_eq!((who.address, who.local), (client.local_addr().ok(), client.peer_addr().ok()));
}

#[tokio::test]
async fn an_accept_that_is_given_up_loses_no_connection() {
    let (listener, address) = listen(&loopback());
    let mut clients = Vec::new();
    for _ in 0..20 {
        assert!(timeout(Duration::ZERO, listener.accept()).await.is_err());
        clients.push(connect(&address).await);
        let raw = listener.accept().await.unwrap();
        assert_eq!(raw.peer(), clients.last().and_then(|client| client.local_addr().ok()));
    }
}

#[tokio::test]
async fn all_copies_of_a_unix_socket_take_from_one_queue_and_its_file_goes_with_the_last() {
    let folder = Scratch::new();
    let path = folder.path("proxy.sock");
    let bound = bind(&at(&path), 2).unwrap();
    let address = bound.address();
    assert_eq!(address, format!("unix:{}", path.display()));
    let mut listeners: Vec<_> = bound.sockets().into_iter().map(|socket| socket.listen().unwrap()).collect();
    for listener in &listeners {
        let mut client = connect_unix(&address).await;
        let (mut stream, who, _) = listener.accept().await.unwrap().establish().await.unwrap();
        assert_eq!(who, crate::client::Client::default());
        assert!(reaches(&mut client, &mut stream, b"there").await);
    }
    listeners.pop();
    assert!(path.exists());
    // Other rights do not make it another file.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    listeners.pop();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_a_dead_server_is_replaced() {
    let folder = Scratch::new();
    let path = folder.path("proxy.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (listener, address) = listen(&at(&path));
    let _client = connect_unix(&address).await;
    assert!(listener.accept().await.is_ok());
}

#[test]
fn a_live_server_keeps_its_file_also_when_its_queue_is_full() {
    let folder = Scratch::new();
    let path = folder.path("proxy.sock");
    let live = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    live.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    live.listen(0).unwrap();
    let told = format!("address in use: unix:{}", path.display());
    assert_eq!(bind(&at(&path), 1).unwrap_err().to_string(), told);
    // That has filled it: whoever connects now waits, for ever if it does not say otherwise.
    assert_eq!(bind(&at(&path), 1).unwrap_err().to_string(), told);
    assert!(path.exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = Scratch::new();
    let path = folder.path("notes");
    fs::write(&path, "mine").unwrap();
    let told = format!("{} is no socket; move it away or choose another path", path.display());
    assert_eq!(bind(&at(&path), 1).unwrap_err().to_string(), told);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_file_that_is_another_servers_by_now_stays() {
    let folder = Scratch::new();
    let path = folder.path("proxy.sock");
    let ours = bind(&at(&path), 1).unwrap();
    fs::remove_file(&path).unwrap();
    let theirs = UnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
    drop(theirs);
}

#[test]
fn a_path_that_cannot_be_is_told() {
    let folder = Scratch::new();
    for path in [folder.path("no/such/folder"), folder.path(&"long".repeat(50))] {
        let error = bind(&at(&path), 1).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on unix:{}: ", path.display())), "{error}");
    }
}
