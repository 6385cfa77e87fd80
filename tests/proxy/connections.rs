//! Connections outlive the deadlines of their requests.

use crate::support::{Http1Client, MS, Proxy, Stopwatch, Upstream};

const SHORT: &str = "x-request-timeout: 300ms\r\n";

#[tokio::test]
async fn an_answer_at_the_deadline_leaves_the_clients_connection_open() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for refused in ["x-request-timeout: 0\r\n", "x-request-timeout: abc\r\n", SHORT] {
        client.get("/slow", refused).await;
        let (head, document) = client.answer().await;
        assert!(head.status() >= 400 && !head.headers.contains_key("connection"), "{head:?}");
        assert!(document.starts_with('{') && document.ends_with('}'), "{document}");
    }
    client.get("/", "").await;
    let (head, body) = client.answer().await;
    assert_eq!((head.status(), body.as_str()), (200, "ok\n"));
    assert_eq!(upstream.request().await.path(), "/slow");
    assert_eq!(upstream.request().await.path(), "/");
}

#[tokio::test]
async fn a_pipelined_request_is_served_after_one_that_ran_out_of_time() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    let request = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n");
    client
        .send(&[request("/slow", SHORT), request("/", ""), request("/", "x-request-timeout: 0\r\n")].concat())
        .await;
    assert_eq!(client.answer().await.0.status(), 504);
    clock.assert_due(300 * MS);
    let (head, body) = client.answer().await;
    assert_eq!((head.status(), body.as_str()), (200, "ok\n"));
    assert_eq!(client.answer().await.0.status(), 504);
}

#[tokio::test]
async fn requests_that_were_answered_in_time_share_one_connection_to_the_upstream() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for fields in ["", "x-request-timeout: 5s\r\n", "x-request-timeout: 0\r\n", "x-request-timeout: 4s\r\n"] {
        client.get("/", fields).await;
        client.answer().await;
    }
    assert_eq!(upstream.accepted(), 1);
    for _ in 0..3 {
        upstream.request().await;
    }
    upstream.assert_no_more();
}
