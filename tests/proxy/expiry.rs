//! A deadline that passes before the response head (R10, R13), and one that cannot be read.

use serde_json::{Value, json};

use crate::support::{Answer, Exchange, Http1Client, MS, Proxy, Stopwatch, Upstream, assert_due, curl};

/// The problem document, and `elapsed_ms`, which differs from run to run.
fn document(answer: &Answer) -> (Value, Option<u64>) {
    assert_eq!(answer.field("content-type"), "application/problem+json");
    let mut document = answer.json();
    let elapsed = document.as_object_mut().and_then(|document| document.remove("elapsed_ms"));
    (document, elapsed.and_then(|elapsed| elapsed.as_u64()))
}

#[tokio::test]
async fn a_slow_upstream_is_answered_for_at_the_deadline_and_left() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--hop", "edge"]).await;
    let answer = curl(&["-H", "X-Request-Timeout: 300ms", &proxy.url("/slow")]).await;

    assert_eq!((answer.exit, answer.status), (Some(0), 504));
    assert_due(answer.took, 300 * MS);
    assert_eq!(answer.field("deadline-exceeded"), r#"origin=header, stage=upstream, cause=deadline, hop="edge""#);
    assert_eq!(answer.field("x-retry-after"), "0");
    let (document, elapsed) = document(&answer);
    let expected = json!({
        "type": "about:blank", "title": "Deadline exceeded", "status": 504,
        "detail": "deadline of 300 ms exceeded in stage upstream",
        "stage": "upstream", "cause": "deadline", "origin": "header", "budget_ms": 300, "hop": "edge",
    });
    assert_eq!(document, expected);
    assert!(elapsed.is_some_and(|elapsed| (300..2_000).contains(&elapsed)), "{elapsed:?}");
    upstream.request().await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn a_request_body_that_does_not_come_is_answered_for_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (mut client, clock) = (Http1Client::connect(proxy.address).await, Stopwatch::start());
    let fields = "host: shop.example\r\nx-request-timeout: 300ms\r\ncontent-length: 100\r\n";
    client.send(&format!("POST /slow HTTP/1.1\r\n{fields}\r\n0123456789")).await;
    let (head, document) = client.answer().await;
    clock.assert_due(300 * MS);
    assert_eq!(head.status(), 504);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["stage"], json!("request_body"));
    upstream.request().await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn what_has_expired_on_arrival_does_not_touch_the_upstream() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&["-H", "X-Request-Timeout: 0", &proxy.url("/")]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 504));
    assert_eq!(answer.field("deadline-exceeded"), r#"origin=header, stage=arrival, cause=deadline, hop="proxy""#);
    let expected = json!({
        "type": "about:blank", "title": "Deadline exceeded", "status": 504,
        "detail": "deadline of 0 ms exceeded in stage arrival",
        "stage": "arrival", "cause": "deadline", "origin": "header", "budget_ms": 0, "hop": "proxy",
    });
    assert_eq!(document(&answer), (expected, Some(0)));
    upstream.assert_untouched();
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_does_not_touch_the_upstream() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "3s"]).await;
    for fields in [&["X-Request-Timeout: abc"][..], &["X-Request-Timeout: 1s", "X-Request-Timeout: +5s"]] {
        let url = proxy.url("/");
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let answer = curl(&fields.chain([url.as_str()]).collect::<Vec<_>>()).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 400));
        assert!(!answer.headers.contains_key("deadline-exceeded"));
        let (document, elapsed) = document(&answer);
        assert_eq!((&document["status"], &document["title"], elapsed), (&json!(400), &json!("Bad Request"), None));
        assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("x-request-timeout")), "{document}");
    }
    upstream.assert_untouched();
}

#[tokio::test]
async fn the_policys_default_bounds_who_asks_for_nothing_and_who_asks_for_more() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "300ms"]).await;
    for asked in ["X-Asked: nothing", "X-Request-Timeout: 10s"] {
        let answer = curl(&["-H", asked, &proxy.url("/slow")]).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 504));
        assert_due(answer.took, 300 * MS);
        let (document, _) = document(&answer);
        assert_eq!((&document["origin"], &document["budget_ms"]), (&json!("policy"), &json!(300)));
        assert!(upstream.request().await.timeout() < 300 * MS);
    }
}

#[tokio::test]
async fn a_client_is_granted_more_than_the_default_up_to_the_most() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--timeout", "300ms", "--max", "600ms"]).await;
    let answer = curl(&["-H", "X-Request-Timeout: 10s", &proxy.url("/slow")]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 504));
    assert_due(answer.took, 600 * MS);
    let left = upstream.request().await.timeout();
    assert!((300 * MS..600 * MS).contains(&left), "{left:?}");
}
