//! What a connection has room for, and what takes some of it for longer than its answer.

use super::*;
use std::future::pending;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A peer that has answered, and neither reads the rest of the request nor says that it wants none.
#[tokio::test(start_paused = true)]
async fn a_request_that_outlasts_its_answer_keeps_its_stream_for_a_while() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(1);
    let (pool, peer) = answering_of(builder, |(request, mut respond): Asked| async move {
        let _unread = request;
        respond.send_response(Response::new(()), true).unwrap();
        pending::<()>().await;
    });
    let (feed, body) = Feed::new();
    for _ in 0..100 {
        feed.0.send(Ok(Frame::data(vec![0; 16 * 1024].into()))).unwrap();
    }
    assert!(ask(&pool, body).await.unwrap().unwrap().into_body().is_end_stream());
    settle().await;
    let second = timeout(Duration::from_secs(1), ask(&pool, Feed::new().1)).await;
    assert!(second.is_ok_and(|answer| answer.unwrap().is_ok()), "it waits for a stream of the first");
    settle().await;
    assert_eq!((peer.dials(), pool.state().connections()), (2, (1, 1)));
    sleep(Duration::from_secs(29)).await;
    assert!(!feed.is_dropped());
    sleep(Duration::from_secs(2)).await;
    assert!(feed.is_dropped());
    assert_eq!(pool.state().connections().0, 0);
}

/// Both sides have the same deadline as a rule.
#[tokio::test(start_paused = true)]
async fn answers_that_cross_their_resets_do_not_end_the_connection() {
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let (pool, peer) = answering(move |(_request, mut respond): Asked| {
        let gone = Arc::clone(&gone);
        async move {
            gone.notified().await;
            let _ = respond.send_response(Response::new(()), true);
        }
    });
    for _ in 0..15 {
        let asked: Vec<_> = (0..100).map(|_| ask(&pool, Feed::new().1)).collect();
        settle().await;
        go.notify_waiters();
        asked.iter().for_each(JoinHandle::abort);
        settle().await;
    }
    assert_eq!(peer.dials(), 1);
}
