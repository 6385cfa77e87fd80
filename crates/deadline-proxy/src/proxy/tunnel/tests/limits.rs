use super::*;

const ASKED: &str =
    "GET / HTTP/1.1\r\nhost: a\r\nx-request-timeout: 500ms\r\nconnection: upgrade\r\nupgrade: chat/2\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: chat/2\r\n\r\n";

/// A tunnel, opened by a handshake that has a deadline.
async fn opened(edge: &mut Edge) -> (DuplexStream, DuplexStream) {
    let mut client = edge.connect();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    upstream.write_all(AGREED.as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut client).await), 101);
    settle().await;
    (client, upstream)
}

async fn assert_open((client, upstream): &mut (DuplexStream, DuplexStream)) {
    client.write_all(b"ping").await.unwrap();
    assert_eq!(read(upstream, 4).await, "ping");
    upstream.write_all(b"pong").await.unwrap();
    assert_eq!(read(client, 4).await, "pong");
}

// R17
#[tokio::test(start_paused = true)]
async fn a_tunnel_outlives_the_deadline_of_its_handshake() {
    let mut edge = Edge::new(websocket());
    let mut tunnel = opened(&mut edge).await;
    for later in [BUDGET - MS, MS, MS, 200 * BUDGET, 500 * BUDGET] {
        advance(later).await;
        settle().await;
        assert_open(&mut tunnel).await;
    }
}

// R17
#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_a_504_at_its_deadline() {
    let mut edge = Edge::new(websocket());
    let mut client = edge.connect();
    let start = Instant::now();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    let told = head(&mut client).await;
    assert_eq!((status(&told), start.elapsed()), (504, BUDGET));
    assert!(told.contains("deadline-exceeded: "), "{told}");
    // R15: the upstream is let go.
    assert_eq!(rest(&mut upstream).await, "");
    assert!(edge.tunnels.is_empty());
}

// R15
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_during_the_handshake_takes_the_upstream_with_it() {
    let mut edge = Edge::new(websocket());
    let mut client = edge.connect();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let mut upstream = edge.upstream().await;
    head(&mut upstream).await;
    let start = Instant::now();
    drop(client);
    assert_eq!(rest(&mut upstream).await, "");
    assert_eq!((start.elapsed(), edge.tunnels.len()), (Duration::ZERO, 0));
}

// R17
#[tokio::test(start_paused = true)]
async fn a_quiet_tunnel_ends_at_its_idle_limit() {
    let idle_limit = 3 * BUDGET;
    let mut edge = Edge::new(Settings { idle_limit, ..websocket() });
    let mut tunnel = opened(&mut edge).await;
    advance(idle_limit - MS).await;
    settle().await;
    assert_open(&mut tunnel).await;
    let (start, (mut client, mut upstream)) = (Instant::now(), tunnel);
    assert_eq!((rest(&mut client).await, rest(&mut upstream).await), (String::new(), String::new()));
    assert_eq!(start.elapsed(), idle_limit);
}

// R17
#[tokio::test(start_paused = true)]
async fn a_tunnel_ends_when_it_has_lived_long_enough() {
    let lifetime_limit = Some(10 * BUDGET);
    let mut edge = Edge::new(Settings { lifetime_limit, ..websocket() });
    let start = Instant::now();
    let mut tunnel = opened(&mut edge).await;
    advance(10 * BUDGET - MS).await;
    settle().await;
    assert_open(&mut tunnel).await;
    let (mut client, mut upstream) = tunnel;
    assert_eq!((rest(&mut client).await, rest(&mut upstream).await), (String::new(), String::new()));
    assert_eq!(start.elapsed(), 10 * BUDGET);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_every_tunnel_and_lets_none_begin() {
    let mut edge = Edge::new(websocket());
    let mut one = opened(&mut edge).await;
    let mut other = opened(&mut edge).await;
    assert_eq!(edge.tunnels.len(), 2);
    one.0.write_all(b"last").await.unwrap();
    settle().await;
    edge.tunnels.close();
    assert_eq!((rest(&mut one.1).await, rest(&mut one.0).await), ("last".to_owned(), String::new()));
    assert_eq!((rest(&mut other.1).await, rest(&mut other.0).await), (String::new(), String::new()));
    drop((one, other));
    edge.tunnels.closed().await;
    assert!(edge.tunnels.is_empty());

    let mut client = edge.connect();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let told = head(&mut client).await;
    assert_eq!((status(&told), values(&told, "retry-after")), (503, vec!["1"]));
    edge.assert_upstream_untouched();
}

#[tokio::test(start_paused = true)]
async fn one_tunnel_too_many_is_a_503_until_one_has_ended() {
    let mut edge = Edge::new(Settings { most: 1, ..websocket() });
    // One layer for all connections, as the workers have it.
    let layer = Opener::new(edge.settings.clone(), edge.tunnels.clone(), Answers::new()).unwrap();
    edge.layer = Some(layer);
    let one = opened(&mut edge).await;
    let mut client = edge.connect();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    let told = head(&mut client).await;
    assert_eq!((status(&told), values(&told, "retry-after")), (503, vec!["1"]));
    edge.assert_upstream_untouched();
    drop(one);
    settle().await;
    // A handshake that comes to nothing leaves its place too.
    for _ in 0..2 {
        let mut client = edge.connect();
        client.write_all(ASKED.as_bytes()).await.unwrap();
        let mut upstream = edge.upstream().await;
        head(&mut upstream).await;
        upstream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert_eq!(status(&head(&mut client).await), 403);
    }
    let mut last = opened(&mut edge).await;
    assert_open(&mut last).await;
}

#[tokio::test(start_paused = true)]
async fn tunnels_that_are_open_count_where_the_settings_are_others() {
    let mut edge = Edge::new(Settings { most: 1, ..websocket() });
    let before = Opener::new(edge.settings.clone(), edge.tunnels.clone(), Answers::new()).unwrap();
    edge.layer = Some(before.clone());
    let mut open = opened(&mut edge).await;
    let with = |most| Some(before.succeeded_by(Settings { most, ..websocket() }, Answers::new()).unwrap());
    edge.layer = with(1);
    let mut client = edge.connect();
    client.write_all(ASKED.as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut client).await), 503);
    edge.layer = with(2);
    let mut other = opened(&mut edge).await;
    assert_open(&mut other).await;
    assert_open(&mut open).await;
    assert_eq!(edge.tunnels.len(), 2, "and are closed together");
    assert!(before.succeeded_by(Settings { most: 0, ..websocket() }, Answers::new()).is_err());
}
