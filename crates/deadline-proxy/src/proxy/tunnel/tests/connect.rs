use super::*;
use bytes::Bytes;
use http::{Method, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::{self, Upgraded};

type Client = SendRequest<Empty<Bytes>>;

async fn client(edge: &mut Edge) -> Client {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(edge.connect())).await.unwrap();
    tokio::spawn(async move { connection.await.map_or_else(drop, drop) });
    // The server's settings come first: they allow what is asked for.
    settle().await;
    sender
}

/// An extended CONNECT for this protocol, with a deadline.
fn asking(protocol: &'static str) -> Request<Empty<Bytes>> {
    let request = Request::connect("https://shop.example/chat?a=b").version(Version::HTTP_2);
    let fields = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, mqtt"),
        ("origin", "https://a"),
        ("x-request-timeout", "500ms"),
    ];
    let request = fields.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let mut request = request.body(Empty::new()).unwrap();
    request.extensions_mut().insert(Protocol::from_static(protocol));
    request
}

/// What the client gets for an answer that is made of the head that the upstream was sent.
async fn answered(
    edge: &mut Edge,
    answer: impl FnOnce(&str) -> String,
) -> (Response<Incoming>, DuplexStream, Client, String) {
    let mut client = client(edge).await;
    let response = tokio::spawn(client.send_request(asking("websocket")));
    let mut upstream = edge.upstream().await;
    // Base64 is not to be read in small letters.
    let sent = head_as_it_is(&mut upstream).await;
    upstream.write_all(answer(&sent).as_bytes()).await.unwrap();
    (response.await.unwrap().unwrap(), upstream, client, sent)
}

fn agreeing(sent: &str) -> String {
    let key = values(sent, "sec-websocket-key");
    let accept = accept(key[0]);
    format!(
        "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}

async fn tunnel(response: Response<Incoming>) -> TokioIo<Upgraded> {
    TokioIo::new(upgrade::on(response).await.unwrap())
}

// R32
#[tokio::test(start_paused = true)]
async fn an_extended_connect_is_an_upgrade_to_the_upstream() {
    let mut edge = Edge::new(websocket());
    let (response, mut upstream, _client, sent) = answered(&mut edge, agreeing).await;
    assert!(sent.starts_with("GET /chat?a=b HTTP/1.1\r\n"), "{sent}");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, mqtt"),
        ("origin", "https://a"),
        // R9
        ("x-request-timeout", "500ms"),
    ] {
        assert_eq!(values(&sent, name), [value], "{sent}");
    }
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{response:?}");
    }
    let mut client = tunnel(response).await;
    // R17
    advance(2 * BUDGET).await;
    client.write_all(b"question").await.unwrap();
    assert_eq!(read(&mut upstream, 8).await, "question");
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await, "");
    upstream.write_all(b"answer").await.unwrap();
    upstream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "answer");
    settle().await;
    assert!(edge.tunnels.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_upstreams_end_leaves_the_clients_way_open() {
    let mut edge = Edge::new(websocket());
    let (response, mut upstream, _client, _) = answered(&mut edge, agreeing).await;
    let mut client = tunnel(response).await;
    upstream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "");
    client.write_all(b"still here").await.unwrap();
    assert_eq!(read(&mut upstream, 10).await, "still here");
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await, "");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_a_stream_cleanly() {
    let mut edge = Edge::new(websocket());
    let (response, mut upstream, _client, _) = answered(&mut edge, agreeing).await;
    let mut client = tunnel(response).await;
    upstream.write_all(b"last").await.unwrap();
    settle().await;
    edge.tunnels.close();
    assert_eq!((rest(&mut client).await, rest(&mut upstream).await), ("last".to_owned(), String::new()));
    drop((client, upstream));
    edge.tunnels.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_refuses_is_heard() {
    let mut edge = Edge::new(websocket());
    let refusal = |_: &str| "HTTP/1.1 403 Forbidden\r\nx-why: origin\r\ncontent-length: 2\r\n\r\nno".to_owned();
    let (response, ..) = answered(&mut edge, refusal).await;
    assert_eq!((response.status().as_u16(), &response.headers()["x-why"]), (403, &"origin".parse().unwrap()));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    assert!(edge.tunnels.is_empty());
}

/// RFC 9113 §8.5: to a CONNECT, each 2xx says that there is a tunnel.
#[tokio::test(start_paused = true)]
async fn an_answer_that_would_pass_for_a_tunnel_is_a_502() {
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n"] {
        let (response, ..) = answered(&mut Edge::new(websocket()), |_| answer.to_owned()).await;
        assert_eq!(response.status(), 502, "{answer}");
    }
    let forged = |sent: &str| agreeing(sent).replace("Accept: ", "Accept: a");
    assert_eq!(answered(&mut Edge::new(websocket()), forged).await.0.status(), 502);
}

// R17
#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_a_504_at_its_deadline() {
    let mut edge = Edge::new(websocket());
    let mut client = client(&mut edge).await;
    let start = Instant::now();
    let response = client.send_request(asking("websocket")).await.unwrap();
    assert_eq!((response.status().as_u16(), start.elapsed()), (504, BUDGET));
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    assert_eq!(rest(&mut upstream).await, "");
}

// R32
#[tokio::test(start_paused = true)]
async fn a_connect_for_anything_else_is_a_501() {
    let mut plain = Request::connect("shop.example:443").body(Empty::new()).unwrap();
    *plain.version_mut() = Version::HTTP_2;
    for (settings, request) in [
        (websocket(), plain),
        (websocket(), asking("chat/2")),
        (websocket(), asking("connect-udp")),
        (Settings::default(), asking("websocket")),
    ] {
        assert_eq!(request.method(), Method::CONNECT);
        let mut edge = Edge::new(settings);
        let response = client(&mut edge).await.send_request(request).await.unwrap();
        assert_eq!(response.status(), 501);
        edge.assert_upstream_untouched();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_none_does_not_reach_the_upstream() {
    let mut edge = Edge::new(websocket());
    let mut request = asking("websocket");
    request.headers_mut().remove("sec-websocket-version");
    let response = client(&mut edge).await.send_request(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["sec-websocket-version"]),
        (400, &"13".parse().unwrap())
    );
    edge.assert_upstream_untouched();
}
