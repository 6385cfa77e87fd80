//! What a connection has room for.

use super::*;
use tokio::sync::Notify;

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
