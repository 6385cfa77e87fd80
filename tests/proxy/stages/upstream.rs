//! Stage `upstream`: an upstream that was reached, and then is silent, stops, or is gone.

use std::net::SocketAddr;

use h2::Reason;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use super::{BUDGET, VERSIONS, assert_stopped, tidy};
use crate::support::{End, Exchange, H2Client, Http1Client, MS, Stopwatch, Upstream, soon};

/// Accepts, and neither reads nor says a word.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            accepted.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn an_upstream_that_is_silent_is_answered_for_at_the_deadline() {
    for http in ["1.1", "2"] {
        let (proxy, before) = tidy(silent().await, &["--upstream-http", http]).await;
        for version in VERSIONS {
            assert_stopped(&proxy, version, "/", "upstream").await;
        }
        before.assert_again(&proxy).await;
    }
}

// R13
#[tokio::test]
async fn an_answer_that_stops_is_broken_off_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &[]).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/stops", "x-request-timeout: 300ms\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(client.rest().await, "A\r\nmessage 1\n\r\n");
    clock.assert_due(BUDGET);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);

    let (mut client, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::get(proxy.url("/stops")).header("x-request-timeout", "300ms").body(()).unwrap();
    let reply = client.get(request).await;
    assert_eq!((reply.status, reply.end), (200, End::Reset(Reason::CANCEL)));
    clock.assert_due(BUDGET);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    drop(client);
    before.assert_again(&proxy).await;
}

/// Answers each connection once, closes it without a word of it, and tells so.
async fn closing() -> (SocketAddr, UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, closed) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = Vec::new();
            while !buffer.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {}
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").await;
            drop(stream);
            let _ = tell.send(());
        }
    });
    (address, closed)
}

/// It was kept in order to be used again, and is not there any more when it would be.
// R22
#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_costs_no_request() {
    let (address, mut closed) = closing().await;
    let (proxy, before) = tidy(address, &[]).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for number in 0..200 {
        client.get("/", "x-request-timeout: 5s\r\n").await;
        assert_eq!(client.answer().await.0.status(), 200, "{number}");
        soon("the connection to be closed", closed.recv()).await.unwrap();
        sleep(2 * MS).await;
    }
    drop(client);
    before.assert_again(&proxy).await;
}
