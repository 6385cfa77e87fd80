//! Clients that leave, and clients that do not read (R13b, R15).

use http::Request;

use crate::support::{Exchange, H2Client, Http1Client, MS, Proxy, Stopwatch, Upstream};

#[tokio::test]
async fn the_upstream_is_left_when_the_client_leaves() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for (path, fields) in [("/slow", ""), ("/slow", "x-request-timeout: 9s\r\n"), ("/stops", "")] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get(path, fields).await;
        upstream.request().await;
        if path == "/stops" {
            assert_eq!(client.head().await.status(), 200);
        }
        drop(client);
        assert_eq!(upstream.exchange().await, Exchange::Cancelled, "{path} {fields}");
    }
}

#[tokio::test]
async fn a_half_close_counts_as_leaving() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/slow", "x-request-timeout: 9s\r\n").await;
    upstream.request().await;
    client.half_close().await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    assert_eq!(client.rest().await, "", "nothing is answered to who has left");
}

#[tokio::test]
async fn the_upstream_is_left_when_the_client_resets_its_stream() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = H2Client::connect(proxy.address).await;
    let stream = client.open(Request::get(proxy.url("/slow")).body(()).unwrap(), true).await;
    upstream.request().await;
    drop(stream);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn the_upstream_of_a_client_that_does_not_read_is_left_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/flood", "x-request-timeout: 500ms\r\n").await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    clock.assert_due(500 * MS);
    // Who reads late gets what was on its way, and no end that looks whole.
    assert_eq!(client.head().await.status(), 200);
    assert!(!client.rest().await.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn the_upstream_of_a_stream_that_is_not_read_is_left_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::get(proxy.url("/flood")).header("x-request-timeout", "500ms").body(()).unwrap();
    let stream = client.open(request, true).await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    clock.assert_due(500 * MS);
    drop(stream);
}
