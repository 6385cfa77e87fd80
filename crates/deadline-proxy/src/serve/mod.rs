//! One listener, until it is told to stop.
//!
//! Covers accepting, HTTP/1.1 and HTTP/2 with prior knowledge on one port, the limits that hold before a
//! request head has arrived, and the drain. Does not know what is served.

mod accept;
mod connection;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_deadline::{Answers, BoxError};

pub use self::accept::Accept;
use self::connection::converse;
use crate::forward::ReceiveLayer;
use crate::limits::{ConnectionSlots, ExtendedConnect, Limits};

/// How long to wait when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a drain waits for what is under way, where nobody says.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// What the connections of a process are served under. A clone counts with its origin.
#[derive(Clone, Debug)]
pub struct Terms {
    limits: Limits,
    slots: ConnectionSlots,
    answers: Answers,
    receive: Option<ReceiveLayer>,
    drain_limit: Duration,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Terms {
    /// Holds connections to these limits, and tells those that are one too many in this way.
    #[must_use]
    pub fn new(limits: Limits, answers: Answers) -> Self {
        // Whether a route carries the protocol is found out when one is asked for.
        let (http1, http2) = (limits.http1(), limits.http2(ExtendedConnect::Offered));
        let slots = ConnectionSlots::new(limits.settings().connections);
        Self { limits, slots, answers, receive: None, drain_limit: DRAIN_LIMIT, http1, http2 }
    }

    /// What is told to connections that are one too many is signed like every other answer.
    #[must_use]
    pub fn signed_by(mut self, receive: ReceiveLayer) -> Self {
        self.receive = Some(receive);
        self
    }

    /// A drain waits this long for what is under way.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new(Limits::default(), Answers::new())
    }
}

/// Serves every connection until `stop`; then accepts no more, and returns when what was under way is done, or
/// has taken too long.
pub async fn serve<L, S, B>(listener: L, service: S, terms: Terms, stop: impl Future<Output = ()>)
where
    L: Accept,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (connections, draining, drain_limit) = (TaskTracker::new(), CancellationToken::new(), terms.drain_limit);
    let (terms, service) = (Arc::new(terms), Arc::new(service));
    let open = |establish| {
        let (terms, service) = (Arc::clone(&terms), Arc::clone(&service));
        drop(connections.spawn(converse(establish, terms, service, draining.clone())));
    };
    take(&listener, open, stop).await;
    let end = Instant::now() + drain_limit;
    draining.cancel();
    // Who has connected by now, or is about to, would be reset with the listener, and is served instead.
    let half_in = listener.shut();
    take(&listener, open, sleep(half_in.min(drain_limit))).await;
    listener.close().into_iter().for_each(open);
    connections.close();
    // Too late is no reason to stay: what is left is dropped with the runtime.
    let _ = timeout_at(end, connections.wait()).await;
}

/// Opens each connection that comes in until then.
async fn take<L: Accept>(listener: &L, open: impl Fn(L::Establish), until: impl Future<Output = ()>) {
    let mut until = pin!(until);
    loop {
        let accepted = tokio::select! {
            () = &mut until => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(establish) => open(establish),
            // One connection failed, or none can be had right now; the listener goes on.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}
