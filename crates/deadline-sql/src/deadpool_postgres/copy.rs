//! `COPY`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio_postgres::{CopyInSink, CopyOutStream};

use super::{Driver, Error};
use crate::lease::Watch;

/// What `COPY … TO STDOUT` sends. Dropped before its end, it has the statement stopped.
#[must_use = "streams do nothing unless polled"]
pub struct CopyOut<'a> {
    watch: Watch<'a, Driver>,
    bytes: Pin<Box<CopyOutStream>>,
}

/// What takes the rows of `COPY … FROM STDIN`. Dropped before it was [finished](Self::finish), nothing is copied.
#[must_use = "sinks do nothing unless polled"]
pub struct CopyIn<'a, U: Buf + Send + 'static> {
    watch: Watch<'a, Driver>,
    sink: Pin<Box<CopyInSink<U>>>,
    written: u64,
}

impl<'a> CopyOut<'a> {
    pub(super) fn new(watch: Watch<'a, Driver>, bytes: CopyOutStream) -> Self {
        Self { watch, bytes: Box::pin(bytes) }
    }
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.has_ended() {
            return Poll::Ready(None);
        }
        if !this.watch.is_ending() {
            let polled = this.bytes.as_mut().poll_next(cx).map(Option::transpose);
            if let Some(bytes) = ready!(this.watch.poll(cx, polled)).transpose() {
                return Poll::Ready(Some(bytes));
            }
        }
        Poll::Ready(ready!(this.watch.poll_complete(cx)).err().map(Err))
    }
}

impl<'a, U: Buf + Send + 'static> CopyIn<'a, U> {
    pub(super) fn new(watch: Watch<'a, Driver>, sink: CopyInSink<U>) -> Self {
        Self { watch, sink: Box::pin(sink), written: 0 }
    }

    /// Ends the copy, and returns how many rows were written.
    ///
    /// # Errors
    ///
    /// As for every statement. At the deadline nobody knows whether they were.
    pub async fn finish(mut self) -> Result<u64, Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, Error>> {
        if !self.watch.is_ending() {
            let polled = self.sink.as_mut().poll_finish(cx);
            self.written = ready!(self.watch.poll(cx, polled))?;
        }
        ready!(self.watch.poll_complete(cx))?;
        Poll::Ready(Ok(self.written))
    }
}

impl<U: Buf + Send + 'static> Sink<U> for CopyIn<'_, U> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { watch, sink, .. } = self.get_mut();
        let polled = sink.as_mut().poll_ready(cx);
        watch.poll(cx, polled)
    }

    fn start_send(self: Pin<&mut Self>, item: U) -> Result<(), Error> {
        let sent = self.get_mut().sink.as_mut().start_send(item);
        sent.map_err(Error::Database)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { watch, sink, .. } = self.get_mut();
        let polled = sink.as_mut().poll_flush(cx);
        watch.poll(cx, polled)
    }

    /// The same as [`finish`](CopyIn::finish), without the number.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.watch.has_ended() { Poll::Ready(Ok(())) } else { this.poll_finish(cx).map_ok(drop) }
    }
}

impl fmt::Debug for CopyOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOut").field("ended", &self.watch.has_ended()).finish_non_exhaustive()
    }
}

impl<U: Buf + Send + 'static> fmt::Debug for CopyIn<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn").field("ended", &self.watch.has_ended()).finish_non_exhaustive()
    }
}
