//! Peers that say in a PROXY header for whom they speak.

use super::{Listening, one};
use crate::support::{Http1Client, Upstream, curl};

const GET: &str = "GET / HTTP/1.1\r\nhost: shop.example\r\nx-forwarded-for: 203.0.113.9\r\n\r\n";
const V2: &str = "\r\n\r\n\0\r\nQUIT\n";
/// From 10.1.2.3:4660 to 10.9.9.9:8481.
const V2_TCP4: &str = "\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\x09\x09\x09\x12\x34\x21\x21";
const V2_LOCAL: &str = "\x20\0\0\0";
const V1: &str = "PROXY TCP4 10.1.2.3 10.9.9.9 4660 8481\r\n";
const V1_TCP6: &str = "PROXY TCP6 2001:db8::1 2001:db8::2 4660 8481\r\n";

async fn start(upstream: &Upstream, more: &[&str]) -> Listening {
    Listening::start(upstream, &[&["--listen", "127.0.0.1:0"], more].concat()).await
}

#[tokio::test]
async fn the_upstream_sees_for_whom_a_trusted_peer_speaks() {
    let mut upstream = Upstream::start().await;
    let proxy = start(&upstream, &["--proxy-protocol-from", "127.0.0.0/8"]).await;
    let port = proxy.address(0).port().to_string();
    for (header, asked, at) in [
        (V1, "10.1.2.3", "8481"),
        (V1_TCP6, "2001:db8::1", "8481"),
        ("PROXY UNKNOWN\r\n", "unknown", &port),
        (&[V2, V2_TCP4].concat(), "10.1.2.3", "8481"),
        (&[V2, V2_LOCAL].concat(), "127.0.0.1", &port),
    ] {
        let mut client = Http1Client::connect(proxy.address(0)).await;
        // One write, and two: what follows the header is not read with it.
        for text in [&[header, GET].concat(), GET] {
            client.send(text).await;
            assert_eq!(client.answer().await.0.status(), 200, "{header:?}");
            let seen = upstream.request().await;
            assert_eq!((one(&seen, "x-forwarded-for"), one(&seen, "x-forwarded-port")), (asked, at), "{header:?}");
        }
    }
    let answer = curl(&["--haproxy-protocol", &proxy.ways_in[0]]).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 200));
    assert_eq!(one(&upstream.request().await, "x-forwarded-for"), "127.0.0.1");
}

#[tokio::test]
async fn who_is_trusted_is_whom_the_header_names() {
    let mut upstream = Upstream::start().await;
    let arguments = ["--proxy-protocol-from", "127.0.0.1", "--trust", "10.0.0.0/8"];
    let proxy = start(&upstream, &arguments).await;
    for (header, told) in [(V1, "203.0.113.9, 10.1.2.3"), (V1_TCP6, "2001:db8::1")] {
        let mut client = Http1Client::connect(proxy.address(0)).await;
        client.send(&[header, GET].concat()).await;
        assert_eq!(client.answer().await.0.status(), 200);
        assert_eq!(one(&upstream.request().await, "x-forwarded-for"), told);
    }
}

#[tokio::test]
async fn a_trusted_peer_without_a_header_is_not_served() {
    let mut upstream = Upstream::start().await;
    let proxy = start(&upstream, &["--proxy-protocol-from", "127.0.0.1"]).await;
    for text in [GET, "PROXY TCP4 10.1.2.3 10.9.9.9 4660 99999\r\n", "\x16\x03\x01\x02\0"] {
        let mut client = Http1Client::connect(proxy.address(0)).await;
        client.send(text).await;
        assert!(!client.rest().await.contains("HTTP/"), "{text:?}");
    }
    assert_eq!(proxy.counted(r#"deadline_proxy_refusals_total{reason="proxy_header"}"#).await, 3);
    upstream.assert_untouched();
}

#[tokio::test]
async fn a_header_of_a_stranger_is_no_http() {
    let mut upstream = Upstream::start().await;
    for arguments in [&["--proxy-protocol-from", "10.0.0.0/8"][..], &[]] {
        let proxy = start(&upstream, arguments).await;
        // It sends its request after that, and may find the connection closed.
        let answer = curl(&["--haproxy-protocol", &proxy.ways_in[0]]).await;
        assert!([0, 400].contains(&answer.status), "{}", answer.status);
        for header in [V1, &[V2, V2_TCP4].concat()] {
            let mut client = Http1Client::connect(proxy.address(0)).await;
            client.send(&[header, GET].concat()).await;
            let (head, rest) = (client.head().await, client.rest().await);
            assert_eq!(head.status(), 400, "{header:?}");
            assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
        }
        upstream.assert_untouched();
    }
    let proxy = start(&upstream, &["--proxy-protocol-from", "10.0.0.0/8"]).await;
    assert_eq!(curl(&[&proxy.ways_in[0]]).await.status, 200);
    assert_eq!(one(&upstream.request().await, "x-forwarded-for"), "127.0.0.1");
}
