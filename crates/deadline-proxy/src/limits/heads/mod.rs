//! How long a head of HTTP/1.1 may take, from its first byte to its end.
//!
//! hyper has one limit for an idle connection and for a head that has begun, and it must be long for the former. Covers
//! the latter, and so slowloris: a stream around the connection's notes when bytes come while no request is under way,
//! and a layer of the connection's own tells it when one is. A head that is late is answered with a bare 408 (no request
//! is known, so there is nothing to say more) and the connection ends.
//!
//! Does not cover HTTP/2, where bytes between requests are no head (settings, pings): hyper asks such a peer whether it
//! is still there, which it cannot answer in the middle of a head. Does not cover a tunnel, which has limits of its own.

mod activity;
mod service;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use self::activity::Activity;
pub use self::service::{HeadsFuture, HeadsService, Under};
pub use self::stream::HeadStream;

/// The heads of one connection. Layer of [`HeadsService`], which has to stand around whatever serves it.
#[derive(Clone, Debug)]
pub struct Heads(Arc<Activity>);

impl Heads {
    /// A stream on which each head may take `limit`, and the layer that tells it about requests.
    pub fn on<S>(stream: S, limit: Duration) -> (HeadStream<S>, Self) {
        let activity = Arc::default();
        (HeadStream::new(stream, limit, Arc::clone(&activity)), Self(activity))
    }
}

#[cfg(test)]
mod tests;
