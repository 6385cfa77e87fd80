//! What one request has of a connection, and the place of a connection among those that are open.
//!
//! Each gives back what it holds when it is dropped, whatever the reason.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, timeout};
use tower_deadline::{BoxError, CallEvent};

use super::endpoint::{Endpoint, Spoken};
use super::exchange::{Arrived, Broken, Terms};
use super::form;
use super::http1::{Conn, Switched};
use super::http2::{Rest, Sender};
use super::pool::{Pool, Shared};
use super::silence::Allotted;
use super::telling::Telling;

/// How long a connection may go on sending a request whose answer is whole.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// A connection of HTTP/1.1, which is somebody's alone. It keeps its place until it is dropped: not under the lock of the
/// pool, which that asks for.
#[derive(Debug)]
pub(super) struct Http1<B> {
    pub(super) conn: Conn,
    pub(super) slot: Slot<B>,
    /// Since when nobody had used it.
    pub(super) idle_since: Option<Instant>,
}

impl<B> Http1<B> {
    /// Closes it as its peer expects.
    pub(super) fn close(self) {
        self.conn.close();
    }
}

/// A share of a connection of HTTP/2.
#[derive(Clone, Debug)]
pub(super) struct Http2 {
    pub(super) sender: Sender,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) number: u64,
    /// Since when nobody had used it; `None` where others do.
    pub(super) idle_since: Option<Instant>,
}

impl Http2 {
    pub(super) fn is_closed(&mut self) -> bool {
        self.sender.check().is_err()
    }
}

#[derive(Debug)]
pub(super) enum Connection<B> {
    /// Boxed: it is handed on more often than it is made.
    Http1(Box<Http1<B>>),
    Http2(Http2),
}

impl<B> Connection<B> {
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        match self {
            Self::Http1(one) => &one.slot.endpoint,
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
            Self::Http1(one) => form::http1(request, &one.slot.endpoint),
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

    /// A tunnel takes the connection over: it never comes back.
    pub(super) fn switch(mut self) -> Option<Switched> {
        match self.take()? {
            Connection::Http1(one) => one.conn.switch(),
            Connection::Http2(_) => None,
        }
    }

    pub(super) fn conn(&mut self) -> Option<&mut Conn> {
        match &mut self.connection {
            Some(Connection::Http1(one)) => Some(&mut one.conn),
            _ => None,
        }
    }

    pub(super) fn peek(&self) -> Option<&Conn> {
        match &self.connection {
            Some(Connection::Http1(one)) => Some(&one.conn),
            _ => None,
        }
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
    /// Sends the request, after `before` has seen it, and leaves it where it is if nothing of it was written. Dropping the
    /// future cancels it, and closes a connection of HTTP/1.1.
    pub(super) async fn exchange<E>(
        &mut self,
        held: &mut Option<Request<B>>,
        before: &mut impl FnMut(&mut Request<B>) -> Result<Allotted, E>,
        telling: &Telling,
    ) -> Result<Response<Arrived>, Broken<E>> {
        let (Some(connection), Some(request)) = (&mut self.connection, held.as_mut()) else {
            return Err(Broken::Unsent(None));
        };
        connection.address(request);
        let allotted = before(request).map_err(Broken::Before)?;
        self.is_dirty = true;
        let terms = Terms { cluster: self.pool.cluster(), allotted, telling, is_first: self.is_fresh };
        match connection {
            Connection::Http1(one) => one.exchange(held, &terms).await,
            // Large, and rarer.
            Connection::Http2(one) => Box::pin(one.exchange(held, &terms)).await,
        }
    }

    /// The answer is whole: the connection can be had again, or the stream, once all of the request was sent.
    pub(super) fn finish(mut self, rest: Option<Rest>) {
        if let Some(rest) = rest {
            drop(tokio::spawn(self.outlast(rest)));
            return;
        }
        let Some(conn) = self.conn() else { return };
        match conn.poll_whole(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(is_whole) => self.is_dirty = !is_whole,
            // The request is not: it goes on for a while.
            Poll::Pending => drop(tokio::spawn(self.settle())),
        }
    }

    /// The peer counts the stream, and so does the pool.
    async fn outlast(self, rest: Rest) {
        // Either is an end: what is dropped resets the stream.
        let _ = timeout(SETTLE_LIMIT, rest.ended()).await;
    }

    async fn settle(mut self) {
        if let Some(conn) = self.conn() {
            let is_whole = timeout(SETTLE_LIMIT, poll_fn(|cx| conn.poll_whole(cx))).await;
            self.is_dirty = is_whole != Ok(true);
        }
    }
}

impl<B> Drop for Lease<B> {
    fn drop(&mut self) {
        let Some(connection) = self.take() else { return };
        match connection {
            // Closes it.
            Connection::Http1(one) if self.is_dirty => drop(one),
            Connection::Http1(mut one) => {
                one.conn.rest();
                self.pool.check_in(one);
            }
            Connection::Http2(one) => self.pool.end_stream(&one),
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
pub trait Sent: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> Sent for B {}
