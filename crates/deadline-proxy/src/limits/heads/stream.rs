//! The stream that notes when a head has begun.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Activity;
use crate::count::{self, Refusal};

/// With what a connection of HTTP/2 begins, and no request of HTTP/1.1.
const PREFACE: &[u8] = b"PRI ";

/// RFC 9110 §15.5.9.
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A stream that ends, as far as who reads it can tell, where a head takes too long. Otherwise it is the inner one.
///
/// A head that comes as a whole arms no timer, and an idle connection has none.
#[derive(Debug)]
pub struct HeadStream<S> {
    inner: S,
    limit: Duration,
    activity: Arc<Activity>,
    /// As many requests were called when it last looked.
    called: usize,
    /// When the first byte of a head that is still read has come.
    started: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// How many bytes of the preface have come; `None` once something else has.
    preface: Option<usize>,
    /// Whether something that was to be written may be half written.
    is_blocked: bool,
    is_late: bool,
}

impl<S> HeadStream<S> {
    pub(super) fn new(inner: S, limit: Duration, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            limit,
            activity,
            called: 0,
            started: None,
            sleep: None,
            preface: Some(0),
            is_blocked: false,
            is_late: false,
        }
    }

    /// What has begun became a request, or was none.
    fn look(&mut self) {
        let called = self.activity.called();
        if called != self.called || self.activity.is_busy() {
            (self.called, self.started, self.sleep) = (called, None, None);
        }
    }

    /// These bytes have come.
    fn note(&mut self, bytes: &[u8]) {
        if let Some(matched) = self.preface {
            let rest = &PREFACE[matched..];
            let next = bytes.len().min(rest.len());
            self.preface = (bytes[..next] == rest[..next]).then_some(matched + next);
            if self.preface == Some(PREFACE.len()) {
                self.preface = None;
                self.activity.release();
            }
        }
        self.look();
        if !self.activity.is_busy() {
            self.started.get_or_insert_with(Instant::now);
        }
    }

    /// Ready when the head that has begun is too late.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.look();
        let Some(end) = self.started.and_then(|started| started.checked_add(self.limit)) else {
            return Poll::Pending;
        };
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(cx)
    }
}

impl<S: AsyncWrite + Unpin> HeadStream<S> {
    fn refuse(&mut self, cx: &mut Context<'_>) {
        count::refused(Refusal::HeadTime);
        self.is_late = true;
        (self.started, self.sleep) = (None, None);
        // Nothing is under way, but the end of an answer may still be on its way out.
        if !self.is_blocked {
            // A client that cannot take a line is not told.
            let _ = Pin::new(&mut self.inner).poll_write(cx, LATE);
        }
    }

    fn written(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_blocked = outcome.is_pending();
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HeadStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_late {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            if buf.filled().len() > before {
                self.note(&buf.filled()[before..]);
            }
            return Poll::Ready(read);
        }
        match self.poll_late(cx) {
            Poll::Ready(()) => {
                self.refuse(cx);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
