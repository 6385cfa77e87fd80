//! The body of an answer, which gives its connection back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tower_deadline::CallEvent;

use super::lease::{Lease, Sent};
use super::telling::Telling;

/// The body of an answer. Its connection goes back to the pool when its end was read; dropped before, a connection of
/// HTTP/1.1 is closed, and a stream of HTTP/2 is reset.
#[derive(Debug)]
pub struct PooledBody<B> {
    inner: Incoming,
    /// `None` once the end was read.
    lease: Option<Lease<B>>,
    telling: Telling,
}

impl<B: Sent> PooledBody<B> {
    pub(super) fn new(inner: Incoming, lease: Lease<B>, telling: Telling) -> Self {
        let mut body = Self { inner, lease: Some(lease), telling };
        if body.inner.is_end_stream() {
            body.finish();
        }
        body
    }

    /// A body that has no connection to give back.
    pub(super) fn detached(inner: Incoming) -> Self {
        Self { inner, lease: None, telling: Telling::default() }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.telling.tell(&CallEvent::LastByte);
            lease.finish();
        }
    }
}

impl<B: Sent> Body for PooledBody<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Err(_)) => drop(self.lease.take()),
            Some(Ok(frame)) if frame.is_data() && !self.inner.is_end_stream() => {}
            _ => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
