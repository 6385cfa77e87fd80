//! A wish to upgrade that reaches an upstream breaks its stream: the defect that this proxy exists to end (R32).

use http::Request;

use crate::support::{End, H2Client, Http1Client, Proxy, Upstream, curl};

const WHOLE: &str = "message 1\nmessage 2\nmessage 3\n";

#[tokio::test]
async fn a_stream_is_whole_for_a_client_that_wishes_for_h2c() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    // Exactly what `curl --http2` sends: `Connection: Upgrade, HTTP2-Settings`, `Upgrade: h2c`, `HTTP2-Settings`.
    let answer = curl(&["--http2", "-H", "X-Request-Timeout: 5s", &proxy.url("/stream")]).await;
    assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, WHOLE));
    let head = upstream.request().await;
    for name in ["connection", "upgrade", "http2-settings"] {
        assert!(!head.headers.contains_key(name), "{head:?}");
    }
    assert!(!answer.headers.contains_key("upgrade"));
}

#[tokio::test]
async fn the_wish_is_stripped_however_it_is_written() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for fields in [
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: HTTP2-Settings\r\nConnection: UPGRADE\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get("/stream", &format!("{fields}X-Request-Timeout: 5s\r\nConnection: close\r\n")).await;
        assert_eq!(client.head().await.status(), 200, "{fields}");
        let rest = client.rest().await;
        let body: String = rest.split("\r\n").filter(|line| line.starts_with("message")).collect();
        assert_eq!(body, WHOLE, "{fields}");
        assert!(rest.ends_with("\r\n0\r\n\r\n"), "{fields}: {rest:?}");
        let head = upstream.request().await;
        assert!(!head.headers.contains_key("upgrade") && !head.headers.contains_key("connection"), "{head:?}");
    }
}

#[tokio::test]
async fn a_stream_is_whole_over_http2_with_prior_knowledge() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&["--http2-prior-knowledge", "-H", "X-Request-Timeout: 5s", &proxy.url("/stream")]).await;
    assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, WHOLE));
    let head = upstream.request().await;
    assert_eq!(head.headers["host"], proxy.address.to_string().as_str());

    let mut client = H2Client::connect(proxy.address).await;
    let reply = client.get(Request::get(proxy.url("/stream")).body(()).unwrap()).await;
    assert_eq!((reply.status, reply.data.as_slice(), reply.end), (200, WHOLE.as_bytes(), End::Data));
}

#[tokio::test]
async fn a_tunnel_is_refused() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.send("CONNECT shop.example:443 HTTP/1.1\r\nhost: shop.example:443\r\n\r\n").await;
    let (head, _) = client.answer().await;
    assert_eq!(head.status(), 501);
    upstream.assert_untouched();
}
