//! One connection, from the first byte to the last.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use http::{Request, Response, Version as HttpVersion};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tower::Service;
use tower_deadline::dialect::Call;
use tower_deadline::{BoxError, StandingTimer};

use super::drain::Drain;
use super::flush::FlushedBody;
use super::quiet::Quiet;
use super::{Era, Pick, Terms};
use crate::called::{self, Called};
use crate::client::Client;
use crate::fleeting;
use crate::limits::{Entry, Timed, TimedBody, TimedFuture, TimedStream, Version, no_room, refuse};
use crate::noted::Noted;
use crate::upstream::tell_lines;

/// Serves a connection to its end: that of the client, of a limit, or of its era.
pub(super) async fn converse<I, P, E, B>(
    established: impl Future<Output = io::Result<(I, Client)>>,
    era: Arc<Era<P, E>>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Pick<
        Service: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send,
    >,
    E: Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let terms = &era.terms;
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
            return Box::pin(refuse(stream, &terms.limits, |request| no_room_for(request, client, terms))).await;
        }
        Entry::Dropped => return,
    };
    let (mut stream, timed) = Timed::on(stream, &terms.limits);
    // A tunnel takes the stream with it, and is as much a connection as before.
    stream.hold(slot);
    timed.meets(client);
    let drain = Drain::of(timed.clone(), era.retired(), terms.drain_limit);
    let version = tokio::select! {
        // What has come by now is served.
        biased;
        version = stream.version() => version,
        () = drain.between_requests() => return,
    };
    let attendant = Attendant { era: Arc::clone(&era), timed, has_answered: Cell::new(false) };
    match version {
        Ok(Version::Http1) => {
            let connection = terms.http1.serve_connection(TokioIo::new(stream), attendant).with_upgrades();
            let ends = pin!(drain.between_requests());
            carry(pin!(connection), UpgradeableConnection::graceful_shutdown, &drain, ends).await;
        }
        // In a place of its own: few connections are, and what each of them needs is some kilobytes.
        Ok(Version::Http2) => Box::pin(converse_http2(stream, attendant, terms, &drain)).await,
        // Nobody is there to be told.
        Err(_) => {}
    }
}

/// hyper closes no idle connection whose peer answers its pings, as it does over HTTP/1.1.
async fn converse_http2<I, P, E, B>(stream: TimedStream<I>, attendant: Attendant<P, E>, terms: &Terms, drain: &Drain)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Pick<
        Service: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send,
    >,
    E: Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (timed, limit) = (attendant.timed.clone(), terms.limits.settings().head_limit);
    let connection = terms.http2.serve_connection(TokioIo::new(stream), attendant);
    let ends = async {
        tokio::select! {
            () = drain.asked() => {}
            () = timed.idle(limit) => {}
        }
    };
    carry(pin!(connection), http2::Connection::graceful_shutdown, drain, pin!(ends)).await;
}

/// What ends a connection with an error, the client has seen; there is nobody else to tell.
async fn carry<C: Future>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    drain: &Drain,
    ends: Pin<&mut impl Future<Output = ()>>,
) {
    // Hardly ever: neither is looked at whenever the connection has something to do.
    let told = pin!(Quiet::new(async {
        tokio::select! {
            biased;
            () = drain.hung_up() => ControlFlow::Break(()),
            () = ends => ControlFlow::Continue(()),
        }
    }));
    let mut timer = StandingTimer::default();
    tokio::select! {
        biased;
        _ = serve(&mut timer, connection.as_mut()) => return,
        told = told => match told {
            ControlFlow::Break(()) => return,
            ControlFlow::Continue(()) => finish(connection.as_mut()),
        },
    }
    tokio::select! {
        _ = serve(&mut timer, connection) => {}
        () = drain.hung_up() => {}
        () = drain.is_kept_for_nothing() => {}
    }
}

/// The requests of one connection wait with one timer.
async fn serve<C: Future>(timer: &mut StandingTimer, mut connection: Pin<&mut C>) -> C::Output {
    poll_fn(|cx| timer.poll(cx, |cx| connection.as_mut().poll(cx))).await
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
struct Attendant<P, E> {
    era: Arc<Era<P, E>>,
    timed: Timed,
    /// Whether an answer has gone by HTTP/2.
    has_answered: Cell<bool>,
}

/// What the service of a connection is called by.
type Calling<S> = Called<S, Request<Incoming>>;

/// An answer as hyper is given it.
type Answer<S, B> = Response<FlushedBody<TimedBody<Calling<S>, B>>>;

/// An answer, once it is there. It and its body are a box: hyper keeps room for both as long as the connection lasts.
type Answering<S, B> = MapOk<TimedFuture<Calling<S>, B>, fn(Response<TimedBody<Calling<S>, B>>) -> Answer<S, B>>;

impl<P, E, B> hyper::service::Service<Request<Incoming>> for Attendant<P, E>
where
    P: Pick<Service: Service<Request<Incoming>, Response = Response<B>> + Clone>,
    B: Body,
{
    type Response = Answer<P::Service, B>;
    type Error = <P::Service as Service<Request<Incoming>>>::Error;
    type Future = Answering<P::Service, B>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        Noted::within(request.extensions_mut()).hangup = Some(self.timed.hangup());
        // Before any of them is removed.
        tell_lines(request.headers_mut());
        let is_marked = request.version() == HttpVersion::HTTP_2 && self.has_answered.replace(true);
        let leaves = if is_marked { marked } else { unmarked };
        let answer = self.timed.call(request, |request| called::call(&mut self.era.service.pick(), request));
        answer.map_ok(leaves)
    }
}

fn unmarked<S, B>(response: Response<TimedBody<Calling<S>, B>>) -> Answer<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    response.map(FlushedBody::new)
}

fn marked<S, B>(mut response: Response<TimedBody<Calling<S>, B>>) -> Answer<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    fleeting::mark(response.headers_mut());
    unmarked::<S, B>(response)
}

#[cfg(test)]
mod tests;
