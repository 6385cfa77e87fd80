use super::*;

const ACCEPT: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A handshake with these fields too.
fn asking(fields: &str) -> String {
    format!(
        "GET /chat?a=b HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

fn agreeing(fields: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n{fields}\r\n")
}

/// What the client gets for an answer of the upstream's.
async fn answered(asked: &str, answer: &str) -> (String, DuplexStream) {
    let mut edge = Edge::new(websocket());
    let mut client = edge.connect();
    client.write_all(asked.as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    upstream.write_all(answer.as_bytes()).await.unwrap();
    let told = head(&mut client).await;
    if status(&told) != 101 {
        settle().await;
        assert!(edge.tunnels.is_empty(), "{told}");
    }
    (told, client)
}

// R32
#[tokio::test(start_paused = true)]
async fn an_upgrade_becomes_a_tunnel_and_each_way_ends_alone() {
    let mut edge = Edge::new(websocket());
    let mut client = edge.connect();
    let asked = asking("x-request-timeout: 500ms\r\nsec-websocket-protocol: chat, mqtt\r\norigin: https://a\r\n");
    client.write_all(asked.as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    let sent = head(&mut upstream).await;
    assert!(sent.starts_with("get /chat?a=b http/1.1\r\n"), "{sent}");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dghlihnhbxbszsbub25jzq=="),
        ("host", "shop.example"),
        ("origin", "https://a"),
        // R9
        ("x-request-timeout", "500ms"),
    ] {
        assert_eq!(values(&sent, name), [value], "{sent}");
    }
    // The first bytes of the tunnel come with the head.
    let answer = agreeing(&format!("{ACCEPT}sec-websocket-protocol: mqtt\r\nconnection: x-secret\r\nx-secret: 1\r\n"));
    upstream.write_all(format!("{answer}first").as_bytes()).await.unwrap();
    let told = head(&mut client).await;
    assert!(told.starts_with("http/1.1 101 switching protocols\r\n"), "{told}");
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-protocol", "mqtt")] {
        assert_eq!(values(&told, name), [value], "{told}");
    }
    assert!(told.contains(&ACCEPT.to_ascii_lowercase()) && !told.contains("x-secret"), "{told}");
    assert_eq!(read(&mut client, 5).await, "first");
    assert_eq!(edge.tunnels.len(), 1);

    client.write_all(b"question").await.unwrap();
    assert_eq!(read(&mut upstream, 8).await, "question");
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await, "");
    upstream.write_all(b"answer").await.unwrap();
    assert_eq!(read(&mut client, 6).await, "answer");
    drop(upstream);
    assert_eq!(rest(&mut client).await, "");
    settle().await;
    assert!(edge.tunnels.is_empty());
}

#[tokio::test(start_paused = true)]
async fn bytes_that_a_client_sends_too_early_go_through_the_tunnel() {
    let mut edge = Edge::new(websocket());
    let mut client = edge.connect();
    client.write_all(format!("{}early", asking("")).as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    upstream.write_all(agreeing(ACCEPT).as_bytes()).await.unwrap();
    assert_eq!(read(&mut upstream, 5).await, "early");
}

#[tokio::test(start_paused = true)]
async fn another_protocol_that_is_allowed_is_carried_too() {
    let asked = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat/2\r\n\r\n";
    let answer = "HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: Chat/2\r\n\r\nhello";
    let (told, mut client) = answered(asked, answer).await;
    assert_eq!((status(&told), values(&told, "upgrade")), (101, vec!["chat/2"]));
    assert_eq!(read(&mut client, 5).await, "hello");
}

// R32
#[tokio::test(start_paused = true)]
async fn a_101_that_is_not_the_answer_to_the_handshake_is_a_502() {
    for answer in [
        agreeing(""),
        agreeing("sec-websocket-accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n"),
        agreeing(&format!("{ACCEPT}sec-websocket-protocol: soap\r\n")),
        agreeing(ACCEPT).replace("websocket\r\n", "h2c\r\n"),
    ] {
        let (told, _client) = answered(&asking("sec-websocket-protocol: chat\r\n"), &answer).await;
        assert_eq!((status(&told), values(&told, "upgrade").len()), (502, 0), "{answer}");
    }
    let plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(status(&answered(plain, &agreeing(ACCEPT)).await.0), 502, "uninvited");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_switch_is_heard() {
    let answer = "HTTP/1.1 403 Forbidden\r\nx-why: origin\r\ncontent-length: 2\r\n\r\nno";
    let (told, mut client) = answered(&asking(""), answer).await;
    assert_eq!((status(&told), values(&told, "x-why")), (403, vec!["origin"]));
    assert_eq!(read(&mut client, 2).await, "no");
    // The connection goes on as it was.
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(status(&head(&mut client).await), 400);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_none_does_not_reach_the_upstream() {
    for asked in [
        asking("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        asking("").replace("version: 13", "version: 8"),
        asking("").replace("GET", "POST"),
        asking("content-length: 1\r\n"),
        asking("transfer-encoding: chunked\r\n"),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat/2\r\ncontent-length: 1\r\n\r\n".to_owned(),
    ] {
        let mut edge = Edge::new(websocket());
        let mut client = edge.connect();
        client.write_all(asked.as_bytes()).await.unwrap();
        let told = head(&mut client).await;
        assert_eq!((status(&told), values(&told, "sec-websocket-version")), (400, vec!["13"]), "{asked}");
        edge.assert_upstream_untouched();
    }
}

// R32
#[tokio::test(start_paused = true)]
async fn a_wish_that_is_not_allowed_is_stripped_unread() {
    let mut edge = Edge::new(Settings::default());
    let mut client = edge.connect();
    client.write_all(asking("").replace("GET", "POST").as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    let sent = head(&mut upstream).await;
    assert!(!sent.contains("upgrade"), "{sent}");
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(status(&head(&mut client).await), 204);
}
