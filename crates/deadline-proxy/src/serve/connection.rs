//! One connection, from the first byte to the last.

use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::{Service, ServiceExt};
use tower_deadline::BoxError;

use super::{HEAD_LIMIT, WRITE_STALL_LIMIT};
use crate::client::Client;

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

/// Serves a connection to its end: that of the client, of a limit, or of a drain.
pub(super) async fn converse<I, S, B>(
    established: impl Future<Output = io::Result<(I, Client)>>,
    builder: &Builder<TokioExecutor>,
    service: S,
    watcher: Watcher,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Who does not get as far as HTTP has nothing to be told.
    let Ok(Ok((stream, client))) = timeout(HEAD_LIMIT, established).await else { return };
    let (asked, hangup) = (Arc::new(AtomicBool::new(false)), Hangup::default());
    let (has_asked, hung_up) = (Arc::clone(&asked), hangup.clone());
    let service = service.map_request(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(hangup.clone());
        request.extensions_mut().insert(client);
        request
    });
    let io = TokioIo::new(stalling(stream));
    let connection = builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service));
    let mut connection = pin!(watcher.watch(connection.into_owned()));
    tokio::select! {
        // What ends a connection with an error, the client has seen; there is nobody else to tell.
        ended = &mut connection => ended.map_or_else(drop, drop),
        () = silence(&has_asked) => {}
        () = hung_up.requested() => {}
    }
}

/// Ends where no request has come within the limit. hyper's own counts only once it has seen which version the
/// client speaks, and not at all for HTTP/2.
async fn silence(asked: &AtomicBool) {
    sleep(HEAD_LIMIT).await;
    if asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

/// A client that takes nothing for too long has stalled (R13b).
fn stalling<I: AsyncRead + AsyncWrite>(stream: I) -> Pin<Box<TimeoutStream<I>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_STALL_LIMIT));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    const INSTANT: Duration = Duration::ZERO;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_is_given_up_at_the_limit() {
        let start = Instant::now();
        silence(&AtomicBool::new(false)).await;
        assert_eq!(start.elapsed(), HEAD_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_asked_is_left_to_the_other_limits() {
        assert!(timeout(2 * HEAD_LIMIT, silence(&AtomicBool::new(true))).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_end_is_given_up_at_the_limit() {
        let (start, graceful) = (Instant::now(), hyper_util::server::graceful::GracefulShutdown::new());
        let never = pending::<io::Result<(tokio::io::DuplexStream, Client)>>();
        let service = tower::service_fn(|_: Request<Incoming>| async {
            Ok::<_, BoxError>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
        });
        converse(never, &Builder::new(TokioExecutor::new()), service, graceful.watcher()).await;
        assert_eq!(start.elapsed(), HEAD_LIMIT);
        assert!(timeout(INSTANT, graceful.shutdown()).await.is_ok(), "nothing is left to drain");
    }
}
