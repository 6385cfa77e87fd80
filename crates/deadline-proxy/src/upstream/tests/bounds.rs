use super::*;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tower_deadline::{Journey, Policy, Stage};

type Answer = Result<Response<PooledBody<Full<Bytes>>>, SendError<Infallible>>;

fn spawn(pool: &Pool, request: Request<Full<Bytes>>) -> JoinHandle<Answer> {
    let pool = pool.clone();
    tokio::spawn(async move { send(&pool, request).await })
}

/// One connection, which somebody has.
async fn full(change: impl FnOnce(&mut Settings)) -> (Holding, Pool, JoinHandle<Answer>) {
    let holding = Holding::default();
    let pool = pool(&holding.peer(), |settings| {
        settings.connections = 1;
        change(settings);
    });
    let first = spawn(&pool, get("/"));
    settle().await;
    (holding, pool, first)
}

/// Whether somebody who waits is served after this.
async fn assert_frees<F: Future<Output = ()>>(free: impl FnOnce(Pool, Holding, Answer) -> F) {
    let (holding, pool, first) = full(|_| {}).await;
    let second = spawn(&pool, get("/"));
    settle().await;
    assert!(!second.is_finished());
    free(pool.clone(), holding.clone(), first.await.unwrap()).await;
    settle().await;
    assert!(second.is_finished(), "nobody woke who waits");
    drop(second.await.unwrap().unwrap());
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_body_frees_its_connection() {
    assert_frees(|_, holding, answer| async move {
        holding.end_first().await;
        assert_eq!(text(answer.unwrap()).await, "held");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_body_frees_its_connection() {
    assert_frees(|_, _, answer| async move { drop(answer) }).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_that_connects_frees_its_place() {
    let peer = Peer::silent();
    let pool = pool(&peer, |settings| settings.connections = 1);
    let first = spawn(&pool, get("/"));
    settle().await;
    let second = spawn(&pool, get("/"));
    settle().await;
    assert_eq!((peer.dials(), pool.state().counts()), (1, (1, 0, 0, 1)));
    first.abort();
    settle().await;
    assert_eq!((peer.dials(), pool.state().counts()), (2, (1, 0, 0, 0)));
    second.abort();
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_that_is_not_answered_frees_its_connection() {
    for request in [get("/"), grpc("/")] {
        let peer = Peer::serving(|_| std::future::pending());
        let pool = pool(&peer, |settings| (settings.connections, settings.streams) = (1, 1));
        let first = spawn(&pool, request);
        settle().await;
        let second = spawn(&pool, get("/"));
        settle().await;
        assert_eq!(pool.state().counts().3, 1);
        first.abort();
        settle().await;
        assert_eq!(pool.state().counts().3, 0);
        second.abort();
        settle().await;
        assert_eq!(pool.state().counts().0, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_that_waits_leaves_the_queue_to_the_others() {
    let (holding, pool, first) = full(|settings| settings.waiting = 2).await;
    let (second, third) = (spawn(&pool, get("/")), spawn(&pool, get("/")));
    settle().await;
    assert!(matches!(send(&pool, get("/")).await, Err(SendError::Full { .. })));
    second.abort();
    settle().await;
    let fourth = spawn(&pool, get("/"));
    holding.end_first().await;
    drop(text(first.await.unwrap().unwrap()).await);
    settle().await;
    assert!(third.is_finished() && !fourth.is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_was_given_a_connection_and_has_left_gives_it_on() {
    let (holding, pool, first) = full(|_| {}).await;
    let (second, third) = (spawn(&pool, get("/")), spawn(&pool, get("/")));
    settle().await;
    holding.end_first().await;
    drop(text(first.await.unwrap().unwrap()).await);
    // It has been told, and has not run since.
    second.abort();
    settle().await;
    assert!(third.is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_order() {
    let (holding, pool, first) = full(|_| {}).await;
    let mut waiting: Vec<_> = (0..4).map(|_| spawn(&pool, get("/"))).collect();
    settle().await;
    let mut before = first;
    while !waiting.is_empty() {
        holding.end_first().await;
        drop(text(before.await.unwrap().unwrap()).await);
        settle().await;
        assert_eq!(waiting.iter().filter(|one| one.is_finished()).count(), 1);
        before = waiting.remove(0);
        assert!(before.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_place_in_the_queue_a_request_fails_at_once() {
    let (_holding, pool, _first) = full(|settings| settings.waiting = 0).await;
    let error = send(&pool, get("/")).await.unwrap_err();
    assert_eq!(error.to_string(), "upstream: every connection is in use, and no more requests may wait for one");
}

#[tokio::test(start_paused = true)]
async fn the_stage_says_what_is_waited_for() {
    let journey = Journey::new(Arc::new(Policy::new()), false);
    let mut request = get("/");
    request.extensions_mut().insert(journey.clone());
    let (holding, pool, first) = full(|_| {}).await;
    let second = spawn(&pool, request);
    settle().await;
    assert_eq!(journey.stage(), Stage::Pool);
    holding.end_first().await;
    drop(text(first.await.unwrap().unwrap()).await);
    drop(second.await.unwrap());
    assert_eq!(journey.stage(), Stage::Handler);

    let mut request = get("/");
    request.extensions_mut().insert(journey.clone());
    let pool = super::pool(&Peer::silent(), |_| {});
    let connecting = spawn(&pool, request);
    settle().await;
    assert_eq!(journey.stage(), Stage::Connect);
    connecting.abort();
    settle().await;
    assert_eq!(journey.stage(), Stage::Handler);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_peer_closes_while_it_is_idle_is_forgotten() {
    let peer = Peer::scripted(|_| async {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = theirs.read(&mut [0; 1024]).await;
            theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        });
        Ok(ours)
    });
    let pool = pool(&peer, |_| {});
    assert!(send(&pool, get("/")).await.is_ok());
    settle().await;
    assert_eq!(pool.state().counts(), (1, 1, 0, 0));
    // Nobody watches it: it is looked at every few seconds.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_of_the_other_version_makes_room() {
    let peer = Peer::echo();
    let pool = pool(&peer, |settings| settings.connections = 1);
    let start = tokio::time::Instant::now();
    for (request, version) in [(get("/"), "HTTP/1.1"), (grpc("/"), "HTTP/2.0"), (get("/"), "HTTP/1.1")] {
        assert!(text(send(&pool, request).await.unwrap()).await.starts_with(version));
    }
    assert_eq!((peer.dials(), pool.state().counts()), (3, (1, 1, 0, 0)));
    assert!(start.elapsed().is_zero(), "nobody waited for the idle limit");
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_used_last_is_used_first() {
    let peer = Peer::echo();
    let pool = pool(&peer, |settings| settings.idle_limit = std::time::Duration::from_secs(4));
    let (one, other) = tokio::join!(send(&pool, get("/")), send(&pool, get("/")));
    drop((text(one.unwrap()).await, text(other.unwrap()).await));
    assert_eq!(pool.state().counts(), (2, 2, 0, 0));
    // One is enough, and so the other grows old.
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        drop(text(send(&pool, get("/")).await.unwrap()).await);
    }
    settle().await;
    assert_eq!(pool.state().counts(), (1, 1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_given_an_endpoint_that_is_new() {
    let (holding, pool, first) = full(|_| {}).await;
    let second = spawn(&pool, get("/"));
    settle().await;
    pool.cluster().add(holding.peer());
    let third = spawn(&pool, get("/"));
    settle().await;
    assert!(second.is_finished() && !third.is_finished());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_then_connections_are() {
    let holding = Holding::default();
    let peer = holding.peer();
    let pool = pool(&peer, |settings| (settings.connections, settings.streams) = (2, 3));
    let mut calls: Vec<_> = (0..7).map(|_| spawn(&pool, grpc("/"))).collect();
    settle().await;
    assert_eq!((peer.dials(), holding.begun()), (2, 6));
    assert_eq!(pool.state().counts(), (2, 0, 6, 1));
    holding.end_first().await;
    for call in calls.drain(..).filter(JoinHandle::is_finished).take(1).collect::<Vec<_>>() {
        drop(text(call.await.unwrap().unwrap()).await);
    }
    settle().await;
    assert_eq!(pool.state().counts().3, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_allows_is_less_than_what_we_would_send() {
    // Two streams at once, which the peer says in its first frame.
    let holding = Holding::default();
    let peer = Peer::limited(holding.service(), Some(2));
    let pool = pool(&peer, |settings| settings.connections = 1);
    drop(spawn(&pool, grpc("/")).await.unwrap().unwrap());
    settle().await;
    let calls: Vec<_> = (0..3).map(|_| spawn(&pool, grpc("/"))).collect();
    settle().await;
    assert_eq!(pool.state().counts(), (1, 0, 2, 1));
    drop(calls);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_connection_share_its_fate() {
    let peer = Peer::scripted(|_| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionRefused))
    });
    let pool = pool(&peer, |_| {});
    let calls: Vec<_> = (0..5).map(|_| spawn(&pool, grpc("/"))).collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(SendError::Connect { .. })));
    }
    assert_eq!((peer.dials(), pool.state().counts()), (1, (0, 0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_one_connection_makes_it_when_its_maker_leaves() {
    let (echo, silent) = (Peer::echo(), Peer::silent());
    let peer = Peer::scripted(move |number| {
        let peer = if number == 0 { silent.clone() } else { echo.clone() };
        async move { peer.dial().await }
    });
    let pool = pool(&peer, |settings| settings.waiting = 0);
    let calls: Vec<_> = (0..4).map(|_| spawn(&pool, grpc("/"))).collect();
    settle().await;
    assert_eq!(peer.dials(), 1);
    calls[0].abort();
    for call in calls.into_iter().skip(1) {
        drop(text(call.await.unwrap().unwrap()).await);
    }
    assert_eq!((peer.dials(), pool.state().counts()), (2, (1, 0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_has_its_share_of_the_bounds() {
    let holding = Holding::default();
    let mut settings = settings();
    (settings.connections, settings.waiting) = (10, 5);
    let pool: Pool = super::super::Pool::new(Cluster::scripted(settings, [holding.peer()]), 4);
    let calls: Vec<_> = (0..6).map(|_| spawn(&pool, get("/"))).collect();
    settle().await;
    assert_eq!(pool.state().counts(), (3, 0, 0, 2));
    assert_eq!(calls.iter().filter(|call| call.is_finished()).count(), 4, "three are answered, and one is too many");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_closes_what_is_idle() {
    let peer = Peer::echo();
    let pool = pool(&peer, |_| {});
    drop(text(send(&pool, get("/")).await.unwrap()).await);
    let weak = pool.downgrade();
    drop(pool);
    settle().await;
    assert!(weak.upgrade().is_none());
}
