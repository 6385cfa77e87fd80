//! `COPY`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio_postgres::{CopyInSink, CopyOutStream, Error as DriverError};

use super::{Driver, Error};
use crate::lease::Watch;

/// What `COPY … TO STDOUT` sends. Dropped before its end, it has the statement stopped.
#[must_use = "streams do nothing unless polled"]
pub struct CopyOut<'a> {
    watch: Watch<'a, Driver>,
    /// `None` after the end: as long as somebody could read them, the driver waits for that.
    bytes: Option<Pin<Box<CopyOutStream>>>,
}

/// What takes the rows of `COPY … FROM STDIN`. Dropped before it was [finished](Self::finish), nothing is copied.
#[must_use = "sinks do nothing unless polled"]
pub struct CopyIn<'a, U: Buf + Send + 'static> {
    watch: Watch<'a, Driver>,
    /// `None` after the end: a server that waits for rows hears of no cancel, and has to be told that there are none.
    sink: Option<Pin<Box<CopyInSink<U>>>>,
    finishing: bool,
    written: u64,
}

impl<'a> CopyOut<'a> {
    pub(super) fn new(watch: Watch<'a, Driver>, bytes: CopyOutStream) -> Self {
        Self { watch, bytes: Some(Box::pin(bytes)) }
    }
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.has_ended() {
            return Poll::Ready(None);
        }
        if let Some(bytes) = &mut this.bytes {
            let polled = bytes.as_mut().poll_next(cx).map(Option::transpose);
            let bytes = ready!(this.watch.poll(cx, polled)).transpose();
            if !matches!(bytes, Some(Ok(_))) {
                this.bytes = None;
            }
            if bytes.is_some() {
                return Poll::Ready(bytes);
            }
        }
        Poll::Ready(ready!(this.watch.poll_complete(cx)).err().map(Err))
    }
}

impl<'a, U: Buf + Send + 'static> CopyIn<'a, U> {
    pub(super) fn new(watch: Watch<'a, Driver>, sink: CopyInSink<U>) -> Self {
        Self { watch, sink: Some(Box::pin(sink)), finishing: false, written: 0 }
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
            if !self.finishing {
                // Rows are not kept by somebody who comes too late (R16).
                self.check(cx)?;
                self.finishing = true;
            }
            self.written = ready!(self.poll_by(cx, |sink, cx| sink.poll_finish(cx)))?;
        }
        ready!(self.watch.poll_complete(cx))?;
        Poll::Ready(Ok(self.written))
    }

    /// Fails at the deadline: the sink takes rows as long as there are any, whatever becomes of them.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.watch.check(cx).inspect_err(|_| self.sink = None)
    }

    fn poll_by<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut CopyInSink<U>>, &mut Context<'_>) -> Poll<Result<T, DriverError>>,
    ) -> Poll<Result<T, Error>> {
        let Some(sink) = &mut self.sink else { return Poll::Ready(Err(Error::ConnectionLost)) };
        let polled = poll(sink.as_mut(), cx);
        self.watch.poll(cx, polled).map(|outcome| outcome.inspect_err(|_| self.sink = None))
    }
}

impl<U: Buf + Send + 'static> Sink<U> for CopyIn<'_, U> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        this.check(cx)?;
        this.poll_by(cx, |sink, cx| sink.poll_ready(cx))
    }

    fn start_send(self: Pin<&mut Self>, item: U) -> Result<(), Error> {
        match &mut self.get_mut().sink {
            Some(sink) => sink.as_mut().start_send(item).map_err(Error::Database),
            None => Err(Error::ConnectionLost),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        this.check(cx)?;
        this.poll_by(cx, |sink, cx| sink.poll_flush(cx))
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
