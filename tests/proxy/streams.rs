//! Deadlines that pass within a response body (R13, R18).

use h2::Reason;
use http::Request;

use crate::support::{End, Exchange, H2Client, Http1Client, MS, Proxy, Stopwatch, Upstream, assert_due, curl};

const WHOLE: &str = "message 1\nmessage 2\n";

// R13
#[tokio::test]
async fn over_http1_the_connection_ends_without_the_last_chunk() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/stops", "x-request-timeout: 300ms\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status(), &head.headers["transfer-encoding"]), (200, &"chunked".parse().unwrap()));
    assert!(!head.headers.contains_key("deadline-exceeded"));
    assert_eq!(client.rest().await, "A\r\nmessage 1\n\r\n");
    clock.assert_due(300 * MS);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn over_http2_the_stream_is_reset_with_cancel_and_the_connection_lives() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::get(proxy.url("/stops")).header("x-request-timeout", "300ms").body(()).unwrap();
    let reply = client.get(request).await;
    clock.assert_due(300 * MS);
    assert_eq!((reply.status, reply.data.as_slice()), (200, &b"message 1\n"[..]));
    assert_eq!(reply.end, End::Reset(Reason::CANCEL));
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    let reply = client.get(Request::get(proxy.url("/")).body(()).unwrap()).await;
    assert_eq!((reply.status, reply.data.as_slice(), reply.end), (200, &b"ok\n"[..], End::Data));
}

/// An upstream of HTTP/1.0 ends its body by closing, which must not become our way of ending one.
#[tokio::test]
async fn the_cut_of_an_old_upstreams_body_is_seen() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&["-H", "X-Request-Timeout: 300ms", &proxy.url("/old")]).await;
    assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(18), 200, "message 1\n"));
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn curl_sees_an_aborted_transfer() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for (version, exit) in [("--http1.1", 18), ("--http2-prior-knowledge", 92)] {
        let answer = curl(&[version, "-H", "X-Request-Timeout: 300ms", &proxy.url("/stops")]).await;
        assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(exit), 200, "message 1\n"), "{version}");
        assert_due(answer.took, 300 * MS);
    }
}

// R18
#[tokio::test]
async fn the_policys_default_leaves_an_event_stream_alone() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "300ms"]).await;
    let answer = curl(&[&proxy.url("/events")]).await;
    assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, WHOLE));
    assert_due(answer.took, 900 * MS);
    assert_eq!(upstream.exchange().await, Exchange::Played);
}

#[tokio::test]
async fn the_policys_default_covers_any_other_body() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "300ms"]).await;
    let answer = curl(&[&proxy.url("/text")]).await;
    assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(18), 200, "message 1\n"));
    assert_due(answer.took, 300 * MS);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn what_the_client_asked_for_covers_an_event_stream_whoevers_limit_binds() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "300ms"]).await;
    for asked in ["X-Request-Timeout: 250ms", "X-Request-Timeout: 10s"] {
        let answer = curl(&["-H", asked, &proxy.url("/events")]).await;
        assert_eq!((answer.exit, answer.text().as_str()), (Some(18), "message 1\n"), "{asked}");
        assert_due(answer.took, 250 * MS);
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    }
}

#[tokio::test]
async fn the_messages_of_a_stream_are_passed_on_as_they_come() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/text", "x-request-timeout: 9s\r\n").await;
    client.head().await;
    client.until("message 1\n").await;
    assert!(clock.elapsed() < 900 * MS, "held back until the next: {:?}", clock.elapsed());
    client.until("message 2\n").await;
    assert_eq!(upstream.exchange().await, Exchange::Played);
}
