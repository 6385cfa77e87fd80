//! One connection, from the first byte to the last.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};
use tower_deadline::BoxError;
use tower_deadline::dialect::Call;

use super::Terms;
use crate::client::Client;
use crate::limits::{Entry, Hangup, Timed, TimedService, Version, no_room, refuse};

/// A connection that is younger than this when a drain begins has its first request on the way: the time of a round
/// trip, and of a packet that has to be sent twice.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves a connection to its end: that of the client, of a limit, or of a drain, which begins with `stop`.
pub(super) async fn converse<I, S, B>(
    established: impl Future<Output = io::Result<(I, Client)>>,
    terms: Arc<Terms>,
    service: Arc<S>,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let entry = terms.slots.enter();
    if matches!(entry, Entry::Dropped) {
        return;
    }
    let limit = terms.limits.settings().started_head_limit;
    // Who does not get as far as HTTP has nothing to be told.
    let Ok(Ok((stream, client))) = timeout(limit, established).await else { return };
    if matches!(entry, Entry::Refused(_)) {
        return Box::pin(refuse(stream, &terms.limits, |request| no_room_for(request, client, &terms))).await;
    }
    let (mut stream, timed) = Timed::on(stream, &terms.limits);
    let drain = Drain { stop, since: Instant::now(), timed: timed.clone() };
    let version = tokio::select! {
        // What has come by now is served.
        biased;
        version = stream.version() => version,
        () = drain.begun() => return,
    };
    let (hangup, attendant) = (timed.hangup(), Attendant { service, timed, client });
    match version {
        Ok(Version::Http1) => {
            let connection = terms.http1.serve_connection(TokioIo::new(stream), attendant).with_upgrades();
            carry(pin!(connection), UpgradeableConnection::graceful_shutdown, &hangup, &drain).await;
        }
        // In a place of its own: few connections are, and what each of them needs is some kilobytes.
        Ok(Version::Http2) => {
            let connection = terms.http2.serve_connection(TokioIo::new(stream), attendant);
            carry(Box::pin(connection).as_mut(), http2::Connection::graceful_shutdown, &hangup, &drain).await;
        }
        // Nobody is there to be told.
        Err(_) => {}
    }
}

/// When a connection is to finish what it has.
struct Drain {
    stop: CancellationToken,
    since: Instant,
    timed: Timed,
}

impl Drain {
    /// Ends where a drain has begun, and this connection is not too young to have asked.
    async fn begun(&self) {
        self.stop.cancelled().await;
        let young = self.since + FIRST_REQUEST;
        // Either is an end. In a place of its own: a connection has one drain, at its end.
        let _ = Box::pin(timeout_at(young, self.timed.asked())).await;
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

/// What ends a connection with an error, the client has seen; there is nobody else to tell.
async fn carry<C: Future>(mut connection: Pin<&mut C>, finish: fn(Pin<&mut C>), hangup: &Hangup, drain: &Drain) {
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = hangup.requested() => return,
        () = drain.begun() => finish(connection.as_mut()),
    }
    tokio::select! {
        _ = connection => {}
        () = hangup.requested() => {}
    }
}

/// What serves the requests of one connection. Most connections are idle for most of their time, so it holds no more
/// than they need then.
struct Attendant<S> {
    service: Arc<S>,
    timed: Timed,
    client: Client,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Attendant<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = <TimedService<S> as Service<Request<Incoming>>>::Response;
    type Error = S::Error;
    /// hyper keeps room for it as long as the connection lasts, which in a box is little.
    type Future = Pin<Box<Oneshot<TimedService<S>, Request<Incoming>>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.timed.hangup());
        request.extensions_mut().insert(self.client);
        Box::pin(self.timed.layer(S::clone(&self.service)).oneshot(request))
    }
}

#[cfg(test)]
mod tests;
