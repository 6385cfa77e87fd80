//! One connection, from the first byte to the last.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service, ServiceExt};
use tower_deadline::BoxError;
use tower_deadline::dialect::Call;

use super::Terms;
use super::asked::Asked;
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
    draining: CancellationToken,
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
    let (asked, hangup) = (Asked::not_yet(), Hangup::default());
    let (now_asked, hung_up) = (asked.clone(), hangup.clone());
    let service = service.map_request(move |mut request: Request<Incoming>| {
        now_asked.note();
        request.extensions_mut().insert(hangup.clone());
        request.extensions_mut().insert(client);
        request
    });
    let (stream, heads) = Heads::on(stalling(stream, limits.write_stall), limits.started_head_limit);
    let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(heads.layer(service)));
    let mut connection = pin!(terms.builder.serve_connection_with_upgrades(io, service).into_owned());
    let conversation = async {
        // What ends a connection with an error, the client has seen; there is nobody else to tell.
        tokio::select! {
            _ = &mut connection => return,
            () = asked.drained(draining) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    };
    tokio::select! {
        () = conversation => {}
        () = asked.silence(limits.head_limit) => {}
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

/// A client that takes nothing for too long has stalled (R13b).
fn stalling<I: AsyncRead + AsyncWrite>(stream: I, limit: Duration) -> Pin<Box<TimeoutStream<I>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_does_not_end_is_given_up_at_the_limit() {
        let (start, terms) = (Instant::now(), Terms::default());
        let never = pending::<io::Result<(tokio::io::DuplexStream, Client)>>();
        let service = tower::service_fn(|_: Request<Incoming>| async {
            Ok::<_, BoxError>(Response::new(http_body_util::Empty::<Bytes>::new()))
        });
        converse(never, &terms, service, CancellationToken::new()).await;
        assert_eq!(start.elapsed(), terms.limits.settings().started_head_limit);
    }
}
