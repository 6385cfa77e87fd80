//! Whether a connection has asked for anything yet.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// A connection that is younger than this when a drain begins has its first request on the way: the time of a round
/// trip, and of a packet that has to be sent twice.
pub(super) const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What a connection and its requests know of one another. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Asked(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    has_asked: AtomicBool,
    first: Notify,
    since: Instant,
}

impl Asked {
    /// Of a connection that can ask from now on.
    pub(super) fn not_yet() -> Self {
        Self(Arc::new(Inner { has_asked: AtomicBool::new(false), first: Notify::new(), since: Instant::now() }))
    }

    /// A request has come.
    pub(super) fn note(&self) {
        if !self.0.has_asked.swap(true, Ordering::Relaxed) {
            self.0.first.notify_waiters();
        }
    }

    /// Waits for the first request.
    async fn first(&self) {
        let first = self.0.first.notified();
        if !self.0.has_asked.load(Ordering::Relaxed) {
            first.await;
        }
    }

    /// Ends where no request has come within the limit. hyper's own counts only once it has seen which version the
    /// client speaks, and not at all for HTTP/2.
    pub(super) async fn silence(&self, limit: Duration) {
        if timeout(limit, self.first()).await.is_ok() {
            pending::<()>().await;
        }
    }

    /// Ends where a drain has begun, and this connection is not too young to have asked.
    pub(super) async fn drained(&self, draining: CancellationToken) {
        draining.cancelled_owned().await;
        // Either is an end.
        let _ = timeout_at(self.0.since + FIRST_REQUEST, self.first()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const LIMIT: Duration = Duration::from_secs(75);
    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_is_given_up_at_the_limit() {
        let start = Instant::now();
        Asked::not_yet().silence(LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_asked_is_left_to_the_other_limits() {
        for wait in [Duration::ZERO, LIMIT - MS] {
            let asked = Asked::not_yet();
            let silence = timeout(2 * LIMIT, asked.silence(LIMIT));
            let note = async {
                sleep(wait).await;
                asked.note();
            };
            assert!(tokio::join!(silence, note).0.is_err(), "{wait:?}");
        }
    }

    /// When the connection is closed to more, of which a drain begins at one time and the first request comes at another.
    async fn drained(drain: Duration, ask: Option<Duration>) -> Duration {
        let (start, asked, draining) = (Instant::now(), Asked::not_yet(), CancellationToken::new());
        let begin = async {
            sleep(drain).await;
            draining.cancel();
        };
        let note = async {
            sleep(ask.unwrap_or(LIMIT)).await;
            asked.note();
        };
        let end = async {
            asked.drained(draining.clone()).await;
            start.elapsed()
        };
        tokio::join!(begin, note, end).2
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_first_request_of_a_young_connection() {
        let young = FIRST_REQUEST - MS;
        assert_eq!(drained(MS, None).await, FIRST_REQUEST);
        assert_eq!(drained(MS, Some(young)).await, young);
        assert_eq!(drained(young, Some(2 * FIRST_REQUEST)).await, FIRST_REQUEST);
        // Nothing is waited for where a request has come, or could have.
        assert_eq!(drained(2 * MS, Some(MS)).await, 2 * MS);
        assert_eq!(drained(FIRST_REQUEST, None).await, FIRST_REQUEST);
        assert_eq!(drained(LIMIT / 2, None).await, LIMIT / 2);
    }
}
