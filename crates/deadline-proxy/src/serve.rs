//! One listener, until it is told to stop.
//!
//! Covers accepting, HTTP/1.1 and HTTP/2 with prior knowledge on one port, the limits that hold before a
//! request head has arrived, and the drain. Does not know what is served.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::{Service, ServiceExt};
use tower_deadline::BoxError;

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

/// In the extensions of each request: closes its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hangup(Arc<Notify>);

impl Hangup {
    /// From here on the connection is closed.
    pub(crate) fn now(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody wants that.
    pub(crate) async fn requested(&self) {
        self.0.notified().await;
    }
}

/// Serves every connection until `stop`; then accepts no more, and returns when what was under way is done, or
/// has taken too long.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => connect(accepted, service.clone(), &graceful),
            // One connection failed, or none can be had right now; the listener goes on.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    // Too late is no reason to stay: what is left is dropped with the runtime.
    let _ = timeout(DRAIN_LIMIT, graceful.shutdown()).await;
}

fn connect<S, B>((stream, _): (TcpStream, SocketAddr), service: S, graceful: &GracefulShutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (asked, first) = watch::channel(false);
    let hangup = Hangup::default();
    let hung_up = hangup.clone();
    let service = service.map_request(move |mut request: Request<Incoming>| {
        asked.send_replace(true);
        request.extensions_mut().insert(hangup.clone());
        request
    });
    let io = TokioIo::new(stalling(stream));
    let connection = builder().serve_connection(io, TowerToHyperService::new(service)).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // What ends a connection with an error, the client has seen; there is nobody else to tell.
            ended = connection => ended.map_or_else(drop, drop),
            () = silence(first) => {}
            () = hung_up.requested() => {}
        }
    });
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    // A peer that is gone answers no ping.
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_LIMIT);
    builder
}

/// Ends where no request has come within the limit. hyper's own counts only once it has seen which version the
/// client speaks, and not at all for HTTP/2.
async fn silence(mut first: watch::Receiver<bool>) {
    if timeout(HEAD_LIMIT, first.wait_for(|asked| *asked)).await.is_ok() {
        pending::<()>().await;
    }
}

fn stalling(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    // Small answers must not wait for one another; a socket that refuses this is served all the same.
    let _: io::Result<()> = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_STALL_LIMIT));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_is_given_up_at_the_limit() {
        let (asked, first) = watch::channel(false);
        let start = Instant::now();
        silence(first).await;
        assert_eq!(start.elapsed(), HEAD_LIMIT);
        drop(asked);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_asked_is_left_to_the_other_limits() {
        let (asked, first) = watch::channel(false);
        asked.send_replace(true);
        assert!(timeout(2 * HEAD_LIMIT, silence(first)).await.is_err());
    }
}
