//! The body of an answer, which gives its connection back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_deadline::CallEvent;

use super::error::Broke;
use super::exchange::Arrived;
use super::http1::Conn;
use super::lease::{Lease, Sent};
use super::telling::Telling;

/// The body of an answer. Its connection goes back to the pool when its end was read; dropped before, a connection of
/// HTTP/1.1 is closed, and a stream of HTTP/2 is reset.
#[derive(Debug)]
pub struct PooledBody<B> {
    source: Arrived,
    /// `None` once the end was read.
    lease: Option<Lease<B>>,
    telling: Telling,
}

impl<B: Sent> PooledBody<B> {
    pub(super) fn new(source: Arrived, lease: Lease<B>, telling: Telling) -> Self {
        let mut body = Self { source, lease: Some(lease), telling };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// A body that has no connection to give back, and no end to come to.
    pub(super) fn detached() -> Self {
        Self { source: Arrived::Http1, lease: None, telling: Telling::default() }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.telling.tell(&CallEvent::LastByte);
            lease.finish(match &mut self.source {
                Arrived::Http1 => None,
                Arrived::Http2(inner) => inner.take_rest(),
            });
        }
    }
}

impl<B: Sent> Body for PooledBody<B> {
    type Data = Bytes;
    type Error = Broke;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broke>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Arrived::Http1 => match this.lease.as_mut().and_then(Lease::conn) {
                Some(conn) => ready!(conn.poll_frame(cx)).map(|frame| frame.map_err(Broke::from)),
                None => None,
            },
            Arrived::Http2(inner) => {
                ready!(Pin::new(&mut **inner).poll_frame(cx)).map(|frame| frame.map_err(Broke::from))
            }
        };
        match &frame {
            Some(Err(_)) => drop(self.lease.take()),
            Some(Ok(frame)) if frame.is_data() && !self.is_end_stream() => {}
            _ => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Arrived::Http1 => self.lease.as_ref().and_then(Lease::peek).is_none_or(Conn::is_ended),
            Arrived::Http2(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Arrived::Http1 => {
                self.lease.as_ref().and_then(Lease::peek).map_or_else(|| SizeHint::with_exact(0), Conn::hint)
            }
            Arrived::Http2(inner) => inner.size_hint(),
        }
    }
}
