use super::*;
use crate::upstream::Anew;
use http::header::HOST;
use std::time::Duration;
use tokio::time::{Instant, timeout};

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again() {
    let peer = Peer::echo();
    let pool = pool(&peer, |_| {});
    for _ in 0..3 {
        let said = text(send(&pool, get("http://shop.example/a?b=c")).await.unwrap()).await;
        assert_eq!(said, "HTTP/1.1 /a?b=c \"shop.example\"");
    }
    assert_eq!(peer.dials(), 1);
    assert_eq!(pool.state().counts(), (1, 1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_grpc_goes_by_http2_and_shares_its_connection() {
    let peer = Peer::echo();
    let pool = pool(&peer, |_| {});
    let sent = (0..5).map(|_| send(&pool, grpc("http://shop.example/a")));
    for answer in futures_util::future::join_all(sent).await {
        assert_eq!(text(answer.unwrap()).await, "HTTP/2.0 http://shop.example/a \"\"");
    }
    assert_eq!(peer.dials(), 1);
    assert_eq!(pool.state().counts(), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_names_no_host_is_given_the_endpoints() {
    let peer = Peer::echo();
    let pool = pool(&peer, |_| {});
    assert_eq!(text(send(&pool, get("/a")).await.unwrap()).await, "HTTP/1.1 /a \"peer.example\"");
    assert_eq!(text(send(&pool, grpc("/a")).await.unwrap()).await, "HTTP/2.0 http://peer.example/a \"\"");
    let mut named = grpc("/a");
    named.headers_mut().insert(HOST, "shop.example".parse().unwrap());
    assert_eq!(text(send(&pool, named).await.unwrap()).await, "HTTP/2.0 http://shop.example/a \"\"");
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_at_last_is_looked_at_for_each_attempt() {
    // R22: the first connection closes as soon as it is used.
    let peer = Peer::echo();
    let closing = Peer::scripted({
        let peer = peer.clone();
        move |number| {
            let peer = peer.clone();
            async move { if number == 0 { Ok(tokio::io::duplex(1).0) } else { peer.dial().await } }
        }
    });
    let cluster = Cluster::scripted(settings(), [closing, peer.clone()]);
    let pool: Pool = super::super::Pool::new(cluster, 1);
    for _ in 0..2 {
        let mut seen = 0;
        let answer = pool.send(get("/a"), |_| {
            seen += 1;
            Ok::<_, Infallible>(Allotted::default())
        });
        assert!(text(answer.await.unwrap()).await.contains("/a"));
        assert!((1..=2).contains(&seen));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_withheld_costs_no_connection() {
    // R16.
    let peer = Peer::echo();
    let pool = pool(&peer, |_| {});
    for _ in 0..3 {
        let withheld = pool.send(get("/"), |_| Err("nothing is left")).await;
        assert!(matches!(withheld, Err(SendError::Before("nothing is left"))));
    }
    settle().await;
    assert_eq!((peer.dials(), pool.state().counts()), (1, (1, 1, 0, 0)));
    assert!(send(&pool, get("/")).await.is_ok());
    assert_eq!(peer.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_connected_to_is_followed_by_the_next() {
    let (refusing, peer) = (Peer::refusing(), Peer::echo());
    let pool: Pool = super::super::Pool::new(Cluster::scripted(settings(), [refusing.clone(), peer]), 1);
    for _ in 0..4 {
        assert!(send(&pool, get("/")).await.is_ok());
    }
    assert!(refusing.dials() > 0);
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_is_tried_once_and_the_last_is_named() {
    let peers = [Peer::refusing(), Peer::refusing()];
    let pool: Pool = super::super::Pool::new(Cluster::scripted(settings(), peers.clone()), 1);
    let error = send(&pool, get("/")).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(error.to_string(), "scripted (peer.example): cannot be connected to");
    assert_eq!(peers.map(|peer| peer.dials()), [1, 1]);
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_at_its_limit() {
    let pool = pool(&Peer::silent(), |settings| settings.connect_limit = Duration::from_secs(5));
    let start = Instant::now();
    let error = send(&pool, get("/")).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(error.to_string(), "scripted (peer.example): cannot be connected to within 5s");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_closes_at_once_is_no_endless_loop() {
    let closing = Peer::scripted(|_| async { Ok(tokio::io::duplex(1).0) });
    let pool = pool(&closing, |_| {});
    let error = timeout(Duration::from_secs(1), send(&pool, get("/"))).await.unwrap().unwrap_err();
    assert!(!matches!(error, SendError::NoEndpoint { .. }), "{error}");
    assert_eq!(closing.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_let_go_of_at_its_limit() {
    let peer = Peer::echo();
    let pool = pool(&peer, |settings| settings.idle_limit = Duration::from_secs(4));
    for request in [get("/"), grpc("/")] {
        drop(text(send(&pool, request).await.unwrap()).await);
    }
    tokio::time::sleep(Duration::from_millis(3999)).await;
    assert_eq!(pool.state().counts().0, 2);
    tokio::time::sleep(Duration::from_millis(2)).await;
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_101_takes_the_connection_out_of_the_pool() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let peer = Peer::serving(|mut request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut read = [0; 4];
            io.read_exact(&mut read).await.unwrap();
            io.write_all(&read).await.unwrap();
        });
        let switch = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        switch.body(Held::full("")).unwrap()
    });
    let pool = pool(&peer, |settings| {
        (settings.http, settings.balance) = (Protocol::Http2, Balance::LeastLoaded);
    });
    let mut request = get("/");
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let mut response = send(&pool, request).await.unwrap();
    assert_eq!(response.status(), 101);
    let mut io = Switched::take(&mut response).unwrap();
    drop(response);
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
    assert_eq!(pool.cluster().endpoints()[0].load(), 0);
    io.write_all(b"ping").await.unwrap();
    let mut read = [0; 4];
    io.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"ping");
}

#[test]
fn a_future_can_go_to_another_thread() {
    fn assert_send<T: Send>(_: T) {}
    let pool = pool(&Peer::silent(), |_| {});
    assert_send(send(&pool, get("/")));
}

/// A peer of HTTP/1.1 that answers one request on each connection, and closes it without a word when it is next used.
fn closing_when_used_again() -> Peer {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    Peer::scripted(|_| async {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 1024]).await;
            theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            let _ = theirs.read(&mut [0; 1024]).await;
        });
        Ok(ours)
    })
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_not_sent_again() {
    let peer = closing_when_used_again();
    let pool = pool(&peer, |_| {});
    assert_eq!(text(send(&pool, get("/")).await.unwrap()).await, "ok");
    let (mut seen, mut request) = (0, get("/"));
    request.headers_mut().insert("x-mine", http::HeaderValue::from_static("1"));
    let broken = pool.send(request, |_| {
        seen += 1;
        Ok::<_, Infallible>(Allotted::default())
    });
    let error = broken.await.unwrap_err();
    // Whoever may send it again has all of it.
    assert!(
        matches!(&error, SendError::Exchange { head: Some(head), .. } if head.headers["x-mine"] == "1"),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "scripted (peer.example): broke off before its answer");
    assert_eq!((seen, peer.dials()), (1, 1));
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closed_unseen_costs_neither_an_attempt_nor_an_answer() {
    // R22: the peer closes between its answer and the next request, and nobody has looked.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (tell, close) = oneshot::channel::<()>();
    let close = Mutex::new(Some(close));
    let peer = Peer::scripted(move |_| {
        let close = close.lock().unwrap().take();
        async move {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                let _ = theirs.read(&mut [0; 1024]).await;
                theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                // The first is closed when it is told to be, the second not before it is read to its end.
                match close {
                    Some(close) => drop(close.await),
                    None => drop(theirs.read(&mut [0; 1024]).await),
                }
            });
            Ok(ours)
        }
    });
    let pool = pool(&peer, |_| {});
    assert_eq!(text(send(&pool, get("/")).await.unwrap()).await, "ok");
    drop(tell);
    settle().await;
    assert_eq!(pool.state().counts(), (1, 1, 0, 0));
    let mut seen = 0;
    let answer = pool.send(get("/"), |_| {
        seen += 1;
        Ok::<_, Infallible>(Allotted::default())
    });
    assert_eq!(text(answer.await.unwrap()).await, "ok");
    assert_eq!((seen, peer.dials()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_whole_before_its_request_frees_the_connection_when_that_is() {
    use http_body_util::combinators::BoxBody;
    // Answered at once, whatever the request goes on to say.
    let peer = Peer::serving(|request| async move {
        tokio::spawn(request.into_body().collect());
        Response::new(Held::full("early"))
    });
    let cluster = Cluster::scripted(settings(), [peer.clone()]);
    let pool: super::super::Pool<BoxBody<Bytes, Infallible>> = super::super::Pool::new(cluster, 1);
    let (tell, end) = oneshot::channel();
    let body = BoxBody::new(Held { data: Some(Bytes::from_static(b"half")), end: Some(end) });
    let answer = pool
        .send(Request::post("/").body(body).unwrap(), |_| Ok::<_, Infallible>(Allotted::default()))
        .await
        .unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "early");
    settle().await;
    assert_eq!(pool.state().counts(), (1, 0, 0, 0));
    drop(tell);
    settle().await;
    assert_eq!(pool.state().counts(), (1, 1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_has_fields_of_its_own_in_the_place_of_the_clients() {
    let peer = Peer::echo();
    let pool = pool(&peer, |settings| {
        let fields = [("authorization", "Bearer ours"), ("x-key", "ours")];
        settings.fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into();
    });
    let mut request = get("/a");
    for theirs in ["Bearer one", "Bearer two"] {
        request.headers_mut().append("authorization", theirs.parse().unwrap());
    }
    request.headers_mut().insert("x_key", "forged".parse().unwrap());
    let mut seen = Vec::new();
    let answer = pool.send(request, |request| {
        let lines = request
            .headers()
            .iter()
            .filter(|(name, _)| *name == "authorization" || name.as_str().ends_with("key"));
        seen.extend(lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
        Ok::<_, Infallible>(Allotted::default())
    });
    answer.await.unwrap();
    seen.sort();
    // And none that an upstream of the CGI kind would take for it.
    assert_eq!(seen, ["authorization: Bearer ours", "x-key: ours"]);
}

/// After a restart, whatever was kept is closed, and each is found out one after the other.
#[tokio::test(start_paused = true)]
async fn what_goes_anew_is_given_nothing_that_was_kept_while_there_is_room() {
    let peer = Peer::echo();
    let pool = pool(&peer, |settings| settings.connections = 2);
    for dials in [1, 1] {
        assert!(text(send(&pool, get("/a")).await.unwrap()).await.contains("/a"));
        assert_eq!(peer.dials(), dials);
    }
    // A second connection, and then there is no room for a third.
    for dials in [2, 2] {
        let mut request = get("/a");
        request.extensions_mut().insert(Anew);
        assert!(text(send(&pool, request).await.unwrap()).await.contains("/a"));
        assert_eq!(peer.dials(), dials);
    }
    assert_eq!(pool.state().counts(), (2, 2, 0, 0));
}
