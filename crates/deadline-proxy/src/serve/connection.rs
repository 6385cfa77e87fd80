//! One connection, from the first byte to the last.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};
use tower_deadline::BoxError;
use tower_deadline::dialect::Call;

use super::Terms;
use super::drain::Drain;
use crate::client::Client;
use crate::limits::{Entry, Hangup, Timed, TimedService, TimedStream, Version, no_room, refuse};

/// Serves a connection to its end: that of the client, of a limit, or of a drain.
pub(super) async fn converse<I, S, B>(
    established: impl Future<Output = io::Result<(I, Client)>>,
    terms: Arc<Terms>,
    service: Arc<S>,
    draining: CancellationToken,
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
    let slot = match entry {
        Entry::Served(slot) => slot,
        Entry::Refused(_slot) => {
            return Box::pin(refuse(stream, &terms.limits, |request| no_room_for(request, client, &terms))).await;
        }
        Entry::Dropped => return,
    };
    let (mut stream, timed) = Timed::on(stream, &terms.limits);
    // A tunnel takes the stream with it, and is as much a connection as before.
    stream.hold(slot);
    let (hangup, drain) = (timed.hangup(), Drain::of(timed.clone(), draining));
    let version = tokio::select! {
        // What has come by now is served.
        biased;
        version = stream.version() => version,
        () = drain.concerns() => return,
    };
    let attendant = Attendant { service, timed, client };
    match version {
        Ok(Version::Http1) => {
            let connection = terms.http1.serve_connection(TokioIo::new(stream), attendant).with_upgrades();
            carry(pin!(connection), UpgradeableConnection::graceful_shutdown, &hangup, pin!(drain.concerns())).await;
        }
        // In a place of its own: few connections are, and what each of them needs is some kilobytes.
        Ok(Version::Http2) => Box::pin(converse_http2(stream, attendant, &terms, &drain)).await,
        // Nobody is there to be told.
        Err(_) => {}
    }
}

/// hyper closes no idle connection whose peer answers its pings, as it does over HTTP/1.1.
async fn converse_http2<I, S, B>(stream: TimedStream<I>, attendant: Attendant<S>, terms: &Terms, drain: &Drain)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (timed, limit) = (attendant.timed.clone(), terms.limits.settings().head_limit);
    let connection = terms.http2.serve_connection(TokioIo::new(stream), attendant);
    let ends = async {
        tokio::select! {
            () = drain.concerns() => {}
            () = timed.idle(limit) => {}
        }
    };
    carry(pin!(connection), http2::Connection::graceful_shutdown, &timed.hangup(), pin!(ends)).await;
}

/// What ends a connection with an error, the client has seen; there is nobody else to tell.
async fn carry<C: Future>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    hangup: &Hangup,
    ends: Pin<&mut impl Future<Output = ()>>,
) {
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = hangup.requested() => return,
        () = ends => finish(connection.as_mut()),
    }
    tokio::select! {
        _ = connection => {}
        () = hangup.requested() => {}
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
