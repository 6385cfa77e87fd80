//! One connection, from the first byte to the last.

use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::{Layer, Service, ServiceExt};
use tower_deadline::BoxError;
use tower_deadline::dialect::Call;

use super::Terms;
use crate::client::Client;
use crate::limits::{Entry, Heads, no_room, refuse};

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
    terms: &Terms,
    service: S,
    watcher: Watcher,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let entry = terms.slots.enter();
    if matches!(entry, Entry::Dropped) {
        return;
    }
    let limits = terms.limits.settings();
    // Who does not get as far as HTTP has nothing to be told.
    let Ok(Ok((stream, client))) = timeout(limits.started_head_limit, established).await else { return };
    if matches!(entry, Entry::Refused(_)) {
        return refuse(stream, &terms.limits, |request| no_room_for(request, client, terms)).await;
    }
    let (asked, hangup) = (Arc::new(AtomicBool::new(false)), Hangup::default());
    let (has_asked, hung_up) = (Arc::clone(&asked), hangup.clone());
    let service = service.map_request(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(hangup.clone());
        request.extensions_mut().insert(client);
        request
    });
    let (stream, heads) = Heads::on(stalling(stream, limits.write_stall), limits.started_head_limit);
    let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(heads.layer(service)));
    let connection = terms.builder.serve_connection_with_upgrades(io, service).into_owned();
    let mut connection = pin!(watcher.watch(connection));
    tokio::select! {
        // What ends a connection with an error, the client has seen; there is nobody else to tell.
        ended = &mut connection => ended.map_or_else(drop, drop),
        () = silence(&has_asked, limits.head_limit) => {}
        () = hung_up.requested() => {}
    }
}

/// The answer to a request on a connection that is one too many.
fn no_room_for(mut request: Request<Incoming>, client: Client, terms: &Terms) -> Response<Bytes> {
    let answer = no_room(&terms.answers, Call::of(request.headers()));
    request.extensions_mut().insert(client);
    match &terms.receive {
        Some(receive) => receive.answer(request, answer),
        None => answer,
    }
}

/// Ends where no request has come within the limit. hyper's own counts only once it has seen which version the
/// client speaks, and not at all for HTTP/2.
async fn silence(asked: &AtomicBool, limit: Duration) {
    sleep(limit).await;
    if asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

/// A client that takes nothing for too long has stalled (R13b).
fn stalling<I: AsyncRead + AsyncWrite>(stream: I, limit: Duration) -> Pin<Box<TimeoutStream<I>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::server::graceful::GracefulShutdown;
    use tokio::time::Instant;

    const LIMIT: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_is_given_up_at_the_limit() {
        let start = Instant::now();
        silence(&AtomicBool::new(false), LIMIT).await;
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_asked_is_left_to_the_other_limits() {
        assert!(timeout(2 * LIMIT, silence(&AtomicBool::new(true), LIMIT)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_end_is_given_up_at_the_limit() {
        let (start, graceful, terms) = (Instant::now(), GracefulShutdown::new(), Terms::default());
        let never = pending::<io::Result<(tokio::io::DuplexStream, Client)>>();
        let service = tower::service_fn(|_: Request<Incoming>| async {
            Ok::<_, BoxError>(Response::new(http_body_util::Empty::<Bytes>::new()))
        });
        converse(never, &terms, service, graceful.watcher()).await;
        assert_eq!(start.elapsed(), terms.limits.settings().started_head_limit);
        assert!(timeout(Duration::ZERO, graceful.shutdown()).await.is_ok(), "nothing is left to drain");
    }
}
