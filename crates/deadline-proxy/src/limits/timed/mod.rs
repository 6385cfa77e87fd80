//! How long a client may keep its connection waiting.
//!
//! Covers what hyper does not, by one stream around the connection:
//!
//! | limit | counts from | to |
//! |---|---|---|
//! | `head_limit` | the connection, and over HTTP/1.1 the end of each answer | its next request |
//! | `started_head_limit` | the first read of a head of HTTP/1.1 while no request is under way | its end |
//! | `write_stall` | a write that the client does not take | the next one that it does (R13b) |
//!
//! hyper has one limit for an idle connection and for a head that has begun, and it must be long for the former: the
//! second of these is what slowloris meets. It also counts only once it has seen a version, and arms a timer anew for
//! each request: here one timer stands, and is moved when it fires too early. The stream notes when bytes come while no
//! request is under way, and a layer of the connection's own tells it when one is. A head that is late is answered with a bare 408 (no request is known,
//! so there is nothing to say more) and the connection ends. So it does at the other limits, without an answer.
//!
//! Does not cover heads of HTTP/2, where bytes between requests are no head (settings, pings): hyper asks such a peer
//! whether it is still there, which it cannot answer in the middle of a head. Does not cover a tunnel, which has limits
//! of its own (R17): once a connection has become one, none of these counts. One over HTTP/2 is a stream beside others,
//! whose connection goes on as before.

mod activity;
mod clock;
mod exchange;
mod service;
mod stream;
mod version;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::activity::Activity;
pub use self::activity::{Doing, Hangup, Under};
pub use self::exchange::{TimedBody, TimedFuture};
pub use self::service::TimedService;
pub use self::stream::TimedStream;
pub use self::version::Version;
use super::Limits;
use crate::client::Client;

/// The requests of one connection. Layer of [`TimedService`], which has to stand around whatever serves it.
#[derive(Clone, Debug)]
pub struct Timed(Arc<Activity>);

impl Timed {
    /// A stream on which a client is held to these limits, and the layer that tells it about requests.
    pub fn on<S>(stream: S, limits: &Limits) -> (TimedStream<S>, Self) {
        let activity = Arc::default();
        (TimedStream::new(stream, limits.settings(), Arc::clone(&activity)), Self(activity))
    }

    /// This is at the other end: for whoever looks at a request of it.
    pub(crate) fn meets(&self, client: Client) {
        self.0.meets(client);
    }

    /// When it began.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.0.opened()
    }

    /// Waits for the first request. For the task that serves the connection. Cancel-safe.
    pub async fn asked(&self) {
        self.0.until(|activity| activity.called() > 0).await;
    }

    /// Ends where no request has been under way for `limit`, after twice as long at most. Never ends before it.
    /// Cancel-safe.
    pub async fn idle(&self, limit: Duration) {
        loop {
            let (before, was_busy) = (self.0.called(), self.0.is_busy());
            sleep(limit).await;
            if !was_busy && self.0.called() == before && !self.0.is_busy() {
                return;
            }
        }
    }

    /// Ends where for `limit` no request has been under way, and nothing of an answer on its way to the client, who can take
    /// its time with the end of it; after twice as long at most. Cancel-safe.
    pub async fn at_rest(&self, limit: Duration) {
        let moved = || (self.0.called(), self.0.taken());
        let moves = || self.0.is_busy() || self.0.is_blocked();
        loop {
            let (before, moved_on) = (moved(), moves());
            sleep(limit).await;
            if !moved_on && moved() == before && !moves() {
                return;
            }
        }
    }

    /// What a connection of HTTP/1.1 does at this moment.
    #[must_use]
    pub fn doing(&self) -> Doing {
        self.0.doing()
    }

    /// Waits until the connection does something else than this. For the task that serves it. Cancel-safe.
    pub async fn no_longer(&self, doing: Doing) {
        // Nobody needs to be woken at each change who has never waited for one.
        self.0.follow();
        self.0.until(|activity| activity.doing() != doing).await;
    }

    /// Waits until somebody wants the connection closed. For the task that serves it. Cancel-safe.
    pub async fn hung_up(&self) {
        self.0.hung_up().await;
    }

    /// What ends the connection, for whoever has a reason to.
    #[must_use]
    pub fn hangup(&self) -> Hangup {
        Hangup(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;
