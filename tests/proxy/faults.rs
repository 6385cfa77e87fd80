//! Upstreams that fail.

use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{End, H2Client, Http1Client, Proxy, Server, Upstream, curl};

fn bad_gateway(detail: &str) -> serde_json::Value {
    json!({"type": "about:blank", "title": "Bad Gateway", "status": 502, "detail": detail, "hop": "proxy"})
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::to(nobody).await;
    let answer = curl(&["-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 502));
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert!(!answer.headers.contains_key("deadline-exceeded"));
    assert_eq!(answer.json(), bad_gateway("upstream cannot be reached"));
}

#[tokio::test]
async fn an_upstream_that_dies_before_its_head_is_a_502() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&["-H", "X-Request-Timeout: 5s", &proxy.url("/die")]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 502));
    assert_eq!(answer.json(), bad_gateway("upstream broke off before its answer"));
    assert_eq!(upstream.request().await.path(), "/die");
    upstream.assert_no_more();
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_is_a_502() {
    let upstream = Upstream::answering("220 mail.example ESMTP\r\n").await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&["-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 502));
}

#[tokio::test]
async fn an_uninvited_switch_of_protocols_is_a_502() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let upstream = Upstream::answering(switch).await;
    let proxy = Proxy::to(upstream.address).await;
    for fields in ["", "connection: upgrade\r\nupgrade: websocket\r\n"] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get("/", &format!("{fields}x-request-timeout: 2s\r\n")).await;
        assert_eq!(client.head().await.status(), 502, "{fields}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_clean_one() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for (path, got) in [("/short", "0123456789"), ("/cut", "message 1\n")] {
        // 18: the transfer was closed with data outstanding. 92: the stream was reset.
        for (version, exit) in [("--http1.1", 18), ("--http2-prior-knowledge", 92)] {
            let answer = curl(&[version, "-H", "X-Request-Timeout: 5s", &proxy.url(path)]).await;
            assert_eq!(answer.exit, Some(exit), "{path} {version}");
            assert!(got.starts_with(&answer.text()), "{path} {version}: {}", answer.text());
        }
        let mut client = H2Client::connect(proxy.address).await;
        let reply = client.get(Request::get(proxy.url(path)).body(()).unwrap()).await;
        assert!(matches!(reply.end, End::Reset(_)), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_short_body_keeps_its_length_and_its_client_sees_the_connection_end() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/short", "").await;
    let head = client.head().await;
    assert_eq!((head.status(), head.headers["content-length"].to_str().unwrap()), (200, "100"));
    assert_eq!(client.rest().await, "0123456789");
}

// R33
#[tokio::test]
async fn a_length_beside_chunks_cuts_no_body() {
    let chunks = "transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
    for length in [5, 10, 50] {
        let both = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{chunks}");
        let upstream = Upstream::answering(&both).await;
        let proxy = Proxy::to(upstream.address).await;
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let answer = curl(&[version, "-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
            assert_eq!((answer.exit, answer.text().as_str()), (Some(0), "0123456789"), "{length} {version}");
        }
    }
}

// R35
#[tokio::test]
async fn a_coding_that_the_client_could_not_know_of_is_a_502() {
    let coded = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
    let proxy = Proxy::to(Upstream::answering(coded).await.address).await;
    let answer = curl(&["-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json(), bad_gateway("the upstream's transfer-encoding: nothing but `chunked` is expected"));
}

/// Whoever is on call for the upstream is not the one to wake, nor told of it.
#[tokio::test]
async fn a_request_body_that_is_malformed_is_the_clients_fault() {
    for version in ["1.1", "2"] {
        let upstream = Server::answering(|request| async move {
            let _ = request.into_body().collect().await;
            std::future::pending().await
        });
        let proxy = Proxy::with(upstream.await.address, &["--upstream-http", version]).await;
        for _ in 0..10 {
            let mut client = Http1Client::connect(proxy.address).await;
            client
                .send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
                .await;
            assert_eq!(client.head().await.status(), 400, "{version}");
        }
        proxy.program.terminate().await;
        assert_eq!(proxy.program.finish().await.stderr, "", "{version}");
    }
}
