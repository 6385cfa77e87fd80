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
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::time::{sleep, timeout};
use tower::Service;
use tower_deadline::BoxError;

pub use self::accept::Accept;
pub(crate) use self::connection::Hangup;
use self::connection::converse;

/// A request head that takes longer is not waited for: no deadline is known before it (R1). It is hyper's limit for
/// an idle connection too, and so a little longer than the minute for which balancers keep theirs.
const HEAD_LIMIT: Duration = Duration::from_secs(75);

/// A client that takes nothing for this long has stalled, and its connection is closed: hyper does not poll a
/// body while its peer does not read, so nothing within the connection can end it (R13b). Over HTTP/2, where a
/// window that stays shut is no write that stalls, it counts from the deadline.
pub(crate) const WRITE_STALL_LIMIT: Duration = Duration::from_secs(30);

/// How long a drain waits for what is under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves every connection until `stop`; then accepts no more, and returns when what was under way is done, or
/// has taken too long.
pub async fn serve<L, S, B>(listener: L, service: S, stop: impl Future<Output = ()>)
where
    L: Accept,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (graceful, builder) = (GracefulShutdown::new(), Arc::new(builder()));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(establish) => {
                let (builder, service, watcher) = (Arc::clone(&builder), service.clone(), graceful.watcher());
                tokio::spawn(async move { converse(establish, &builder, service, watcher).await });
            }
            // One connection failed, or none can be had right now; the listener goes on.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    // Too late is no reason to stay: what is left is dropped with the runtime.
    let _ = timeout(DRAIN_LIMIT, graceful.shutdown()).await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    // A peer that is gone answers no ping.
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_LIMIT);
    builder
}
