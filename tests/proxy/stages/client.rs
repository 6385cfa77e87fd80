//! Stage `request_body`, and clients that are there no more without a word of it.

use http::Request;
use serde_json::Value;
use tokio::time::sleep;

use super::{BUDGET, tidy};
use crate::support::{Exchange, H2Client, Http1Client, MS, Stopwatch, Upstream};

const HALF: &str = "POST /never HTTP/1.1\r\nhost: shop.example\r\nx-request-timeout: 300ms\r\n";

#[tokio::test]
async fn a_request_body_that_stops_is_answered_for_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &[]).await;
    for rest in ["content-length: 100\r\n\r\n0123456789", "transfer-encoding: chunked\r\n\r\na\r\n01234"] {
        let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
        client.send(&format!("{HALF}{rest}")).await;
        let (head, document) = client.answer().await;
        clock.assert_due(BUDGET);
        assert_eq!(head.status(), 504);
        assert_eq!(serde_json::from_str::<Value>(&document).unwrap()["stage"], "request_body", "{rest}");
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    }

    let (mut client, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::post(proxy.url("/never")).header("x-request-timeout", "300ms").body(()).unwrap();
    let (response, mut stream) = client.open(request, false).await;
    stream.send_data("0123456789".into(), false).unwrap();
    let reply = H2Client::reply(response).await;
    clock.assert_due(BUDGET);
    assert_eq!(reply.status, 504);
    assert_eq!(serde_json::from_slice::<Value>(&reply.data).unwrap()["stage"], "request_body");
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    drop((client, stream));
    before.assert_again(&proxy).await;
}

// R13b
#[tokio::test]
async fn a_client_that_reads_nothing_keeps_nothing() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &["--write-timeout", "300ms"]).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    client.get("/flood", "x-request-timeout: 300ms\r\n").await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    clock.assert_due(BUDGET);

    let (mut client_of_http2, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::get(proxy.url("/flood")).header("x-request-timeout", "300ms").body(()).unwrap();
    let stream = client_of_http2.open(request, true).await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    clock.assert_due(BUDGET);
    // Both are still there, and neither has taken a byte.
    before.assert_again(&proxy).await;
    drop((client, client_of_http2, stream));
}

/// Whose machine is gone sends no FIN: it says nothing, and a limit ends it.
#[tokio::test]
async fn a_client_that_says_nothing_keeps_nothing() {
    let upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &["--idle-timeout", "300ms", "--head-timeout", "300ms"]).await;
    let mut silent = Http1Client::connect(proxy.address).await;
    let mut begun = Http1Client::connect(proxy.address).await;
    begun.send("GET / HTTP/1.1\r\nhost: shop").await;
    let mut idle = Http1Client::connect(proxy.address).await;
    idle.get("/", "").await;
    assert_eq!(idle.answer().await.1, "ok\n");
    before.assert_again(&proxy).await;
    for client in [&mut silent, &mut begun, &mut idle] {
        // It is no longer there to be told.
        client.half_close().await;
    }
}

/// A client that is silent while its answer is awaited has nothing to say: the deadline ends the request, and a limit
/// the connection.
#[tokio::test]
async fn a_client_that_is_gone_while_it_waits_keeps_nothing() {
    let mut upstream = Upstream::start().await;
    let (proxy, before) = tidy(upstream.address, &["--idle-timeout", "300ms"]).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/never", "x-request-timeout: 300ms\r\n").await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    before.assert_again(&proxy).await;
    sleep(MS).await;
    drop(client);
}
