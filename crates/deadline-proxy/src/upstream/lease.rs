//! What one request has of a connection, and the place of a connection among those that are open.
//!
//! Each gives back what it holds when it is dropped, whatever the reason.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::ext::on_informational;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tower_deadline::{BoxError, CallEvent};

use super::endpoint::{Endpoint, Spoken};
use super::form;
use super::outgoing::{BodyFault, Fault, Outgoing};
use super::pool::{Pool, Shared};
use super::silence::{Allotted, Silence};
use super::telling::Telling;
use crate::count;

/// How long a connection may go on sending a request whose answer is whole.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// A connection of HTTP/1.1, which is somebody's alone.
#[derive(Debug)]
pub(super) struct Http1<B> {
    pub(super) send: http1::SendRequest<Outgoing<B>>,
    pub(super) task: AbortHandle,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) number: u64,
    /// Since when nobody had used it.
    pub(super) idle_since: Option<Instant>,
}

impl<B> Http1<B> {
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// Closes it now, whatever it does.
    pub(super) fn abort(self) {
        self.task.abort();
    }
}

/// A share of a connection of HTTP/2.
#[derive(Debug)]
pub(super) struct Http2<B> {
    pub(super) send: http2::SendRequest<Outgoing<B>>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) number: u64,
    /// Since when nobody had used it; `None` where others do.
    pub(super) idle_since: Option<Instant>,
}

impl<B> Http2<B> {
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }
}

impl<B> Clone for Http2<B> {
    fn clone(&self) -> Self {
        let Self { send, endpoint, number, idle_since } = self;
        Self { send: send.clone(), endpoint: Arc::clone(endpoint), number: *number, idle_since: *idle_since }
    }
}

#[derive(Debug)]
pub(super) enum Connection<B> {
    Http1(Http1<B>),
    Http2(Http2<B>),
}

impl<B> Connection<B> {
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        match self {
            Self::Http1(one) => &one.endpoint,
            Self::Http2(one) => &one.endpoint,
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        match self {
            Self::Http1(one) => one.idle_since,
            Self::Http2(one) => one.idle_since,
        }
    }

    fn version(&self) -> Spoken {
        match self {
            Self::Http1(_) => Spoken::Http1,
            Self::Http2(_) => Spoken::Http2,
        }
    }

    /// Puts the request into the form of this connection.
    pub(super) fn address(&self, request: &mut Request<B>)
    where
        B: Body,
    {
        match self {
            Self::Http1(one) => form::http1(request, &one.endpoint),
            Self::Http2(one) => form::http2(request, &one.endpoint),
        }
    }
}

/// A connection, or a stream of one, for one request.
#[derive(Debug)]
pub(super) struct Lease<B> {
    pool: Pool<B>,
    /// `None` once it was given back.
    connection: Option<Connection<B>>,
    /// A connection of HTTP/1.1 on which something was sent is of no use until all was read.
    is_dirty: bool,
    /// Whether the endpoint counts this request.
    is_counted: bool,
    /// Whether the connection was made for this request.
    is_fresh: bool,
}

impl<B> Lease<B> {
    pub(super) fn new(pool: Pool<B>, connection: Connection<B>) -> Self {
        let mut lease =
            Self { pool, connection: Some(connection), is_dirty: false, is_counted: false, is_fresh: false };
        if let Some(endpoint) = lease.endpoint().filter(|_| lease.pool.counts_load()) {
            endpoint.load.fetch_add(1, Ordering::Relaxed);
            lease.is_counted = true;
        }
        lease
    }

    /// The first on a connection.
    pub(super) fn fresh(pool: Pool<B>, connection: Connection<B>) -> Self {
        let mut lease = Self::new(pool, connection);
        lease.is_fresh = true;
        lease
    }

    /// Whether the connection was made for this request: if it closes at once, it will the next time too.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    pub(super) fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        self.connection.as_ref().map(Connection::endpoint)
    }

    /// Whose it is, and which version is spoken on it.
    pub(super) fn peer(&self) -> Option<(&Arc<Endpoint>, Spoken)> {
        self.connection.as_ref().map(|connection| (connection.endpoint(), connection.version()))
    }

    /// There is a connection to send on.
    #[inline]
    pub(super) fn tell(&self, telling: &Telling) {
        if telling.is_heard() {
            telling.tell(&CallEvent::Connected { reused: !self.is_fresh, idle: self.idle() });
        }
    }

    /// For how long nobody had used the connection.
    fn idle(&self) -> Option<Duration> {
        let since = self.connection.as_ref().filter(|_| !self.is_fresh)?.idle_since();
        // Others use it, or have made it just now.
        Some(since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// A tunnel has taken the connection over: it never comes back.
    pub(super) fn forget(mut self) {
        drop(self.take());
    }

    /// The connection, which the endpoint counts no more.
    fn take(&mut self) -> Option<Connection<B>> {
        let connection = self.connection.take()?;
        if std::mem::take(&mut self.is_counted) {
            connection.endpoint().load.fetch_sub(1, Ordering::Relaxed);
        }
        Some(connection)
    }
}

impl<B: Sent> Lease<B> {
    /// Sends the request, after `before` has seen it. Dropping the future cancels it, and closes a connection of
    /// HTTP/1.1.
    pub(super) async fn exchange<E>(
        &mut self,
        mut request: Request<B>,
        before: &mut impl FnMut(&mut Request<B>) -> Result<Allotted, E>,
        telling: &Telling,
    ) -> Result<Response<Incoming>, Broken<B, E>> {
        let cluster = self.pool.cluster();
        let Some(connection) = &mut self.connection else { return Err(Broken::Unsent(request, None)) };
        connection.address(&mut request);
        let allotted = before(&mut request).map_err(Broken::Before)?;
        self.is_dirty = true;
        let (mut head, body) = request.into_parts();
        let (body, fault) = Outgoing::new(body, telling);
        // hyper wants none of ours, and whoever sends it again wants them all.
        let kept = head.method.is_idempotent().then(|| std::mem::take(&mut head.extensions));
        let mut request = Request::from_parts(head, body);
        let silence = |endpoint| Silence::of(cluster, endpoint, allotted, &fault);
        let (answer, silence) = match connection {
            Connection::Http1(Http1 { send, endpoint, .. }) => {
                let silence = silence((endpoint, Spoken::Http1));
                // R34: over HTTP/2 hyper shows none.
                on_informational(&mut request, |interim| interim_dropped(interim.status()));
                (send.try_send_request(request).await, silence)
            }
            Connection::Http2(Http2 { send, endpoint, .. }) => {
                let silence = silence((endpoint, Spoken::Http2));
                (send.try_send_request(request).await, silence)
            }
        };
        silence.end();
        if answer.is_ok() {
            telling.tell(&CallEvent::FirstByte);
        }
        answer.map_err(|error| Broken::of(error, &fault, kept))
    }

    /// The answer is whole: the connection can be had again.
    pub(super) fn finish(mut self) {
        match &self.connection {
            Some(Connection::Http1(one)) if one.send.is_ready() => self.is_dirty = false,
            // The request is not: it goes on for a while.
            Some(Connection::Http1(one)) if !one.is_closed() => drop(tokio::spawn(self.settle())),
            _ => {}
        }
    }

    async fn settle(mut self) {
        if let Some(Connection::Http1(one)) = &mut self.connection {
            let ready = timeout(SETTLE_LIMIT, one.send.ready()).await;
            self.is_dirty = !matches!(ready, Ok(Ok(())));
        }
    }
}

impl<B> Drop for Lease<B> {
    fn drop(&mut self) {
        let Some(connection) = self.take() else { return };
        match connection {
            Connection::Http1(one) if self.is_dirty => one.abort(),
            Connection::Http1(one) if one.is_closed() => {}
            Connection::Http1(one) => self.pool.check_in(one),
            Connection::Http2(one) => self.pool.end_stream(&one),
        }
    }
}

/// R34: it is read, counted and dropped. Who waits for a 100 is told so by us.
fn interim_dropped(status: StatusCode) {
    if status != StatusCode::CONTINUE {
        count::interim_dropped();
    }
}

/// Why there is no answer.
#[expect(clippy::large_enum_variant, reason = "a request comes back in order to be sent again")]
pub(super) enum Broken<B, E> {
    /// It was withheld.
    Before(E),
    /// Nothing of it was written, and it comes back; why, where the connection had a say.
    Unsent(Request<B>, Option<hyper::Error>),
    /// With its extensions, where it may be sent again.
    Sent(hyper::Error, Extensions),
    /// What the client sent of it broke off: no endpoint is to blame.
    Body(BodyFault),
}

impl<B: Body, E> Broken<B, E> {
    fn of(mut error: TrySendError<Request<Outgoing<B>>>, fault: &Fault, kept: Option<Extensions>) -> Self {
        match (error.take_message(), fault.found()) {
            (Some(mut request), _) => {
                if let Some(kept) = kept {
                    *request.extensions_mut() = kept;
                }
                Self::Unsent(request.map(Outgoing::into_inner), Some(error.into_error()))
            }
            (None, Some(fault)) => Self::Body(fault),
            (None, None) => Self::Sent(error.into_error(), kept.unwrap_or_default()),
        }
    }
}

/// The place of one connection among those that are open: from before it is made until it has ended.
#[derive(Debug)]
pub(super) struct Slot<B> {
    /// Weak, because the pool keeps the connections, and each connection keeps its place.
    pool: Weak<Shared<B>>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) number: u64,
    /// Whether others wait to ride on it.
    is_joining: bool,
}

impl<B> Slot<B> {
    pub(super) fn new(pool: &Pool<B>, endpoint: Arc<Endpoint>, number: u64, is_joining: bool) -> Self {
        endpoint.connections.fetch_add(1, Ordering::Relaxed);
        Self { pool: pool.downgrade(), endpoint, number, is_joining }
    }

    pub(super) fn pool(&self) -> Option<Pool<B>> {
        self.pool.upgrade().map(Pool::from_shared)
    }

    /// Whether others wait to ride on it.
    pub(super) fn is_joining(&self) -> bool {
        self.is_joining
    }

    /// The same; they are told but once.
    pub(super) fn settle(&mut self) -> bool {
        std::mem::take(&mut self.is_joining)
    }
}

impl<B> Drop for Slot<B> {
    fn drop(&mut self) {
        self.endpoint.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(pool) = self.pool() {
            pool.close(self.endpoint.key, self.number, self.settle());
        }
    }
}

/// What a body that is sent to an upstream has to be.
pub trait Sent: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static> Sent for B {}
