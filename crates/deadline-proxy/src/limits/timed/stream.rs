//! The stream that ends where its client keeps it waiting.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::clock::{Clock, Over};
use super::version::{Hello, Version};
use crate::count::{self, Refusal};
use crate::limits::{Settings, Slot};

/// RFC 9110 §15.5.9.
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A stream that ends, as far as who reads it can tell, where its client asks for nothing or a head takes too long, and
/// fails where the client takes nothing (R13b). Otherwise it is the inner one.
///
/// A head that comes as a whole arms no timer, and neither does a write that is taken.
#[derive(Debug)]
pub struct TimedStream<S> {
    inner: S,
    activity: Arc<Activity>,
    /// Boxed: a stream is moved on its way to who serves it, and each place that it had on the way is kept.
    clock: Box<Clock>,
    hello: Hello,
    /// As many requests were called when it last looked.
    called: usize,
    /// Whether one was under way then.
    is_busy: bool,
    is_over: bool,
    slot: Option<Slot>,
}

impl<S> TimedStream<S> {
    pub(super) fn new(inner: S, settings: &Settings, activity: Arc<Activity>) -> Self {
        let clock = Box::new(Clock::new(settings.head_limit, settings.started_head_limit, settings.write_stall));
        let hello = Hello::default();
        Self { inner, activity, clock, hello, called: 0, is_busy: false, is_over: false, slot: None }
    }

    /// Takes up this place for as long as it is there.
    pub fn hold(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }

    /// What has begun became a request, or was none.
    fn look(&mut self) {
        if self.activity.is_tunnel() {
            self.clock.stop();
            return;
        }
        let (called, is_busy) = (self.activity.called(), self.activity.is_busy());
        if called == self.called && is_busy == self.is_busy {
            return;
        }
        (self.called, self.is_busy) = (called, is_busy);
        if is_busy {
            self.clock.asked();
        } else if self.hello.version() == Some(Version::Http2) {
            // Who serves it asks now and then whether somebody is still there.
            self.clock.asked();
        } else {
            self.clock.rests(self.activity.rested());
        }
    }

    /// Bytes have come. Over HTTP/2 they need not be of a head.
    fn note(&mut self) {
        self.look();
        if !self.is_busy && !self.activity.is_tunnel() && self.hello.version() != Some(Version::Http2) {
            self.clock.head_begins();
            self.activity.hear();
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        self.look();
        let over = ready!(self.clock.poll(cx));
        self.clock.stop();
        self.is_over = true;
        Poll::Ready(over)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TimedStream<S> {
    /// What the client speaks, as soon as its first bytes tell. They are read by whoever reads next. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The stream fails before.
    pub async fn version(&mut self) -> io::Result<Version> {
        poll_fn(|cx| self.poll_version(cx)).await
    }

    fn poll_version(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Version>> {
        loop {
            if let Some(version) = self.hello.version() {
                return Poll::Ready(Ok(version));
            }
            let mut bytes = [0; 24];
            let mut buf = ReadBuf::new(&mut bytes[..self.hello.wanted()]);
            ready!(self.poll_bytes(cx, &mut buf))?;
            self.hello.add(buf.filled());
            if self.hello.version() == Some(Version::Http2) {
                self.clock.head_ends();
            }
        }
    }

    /// What comes after the first bytes.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            if buf.filled().len() > before {
                self.note();
            }
            return Poll::Ready(read);
        }
        match ready!(self.poll_over(cx)) {
            Over::Silence => {}
            Over::Head => self.refuse(cx),
            Over::Write => return Poll::Ready(Err(ErrorKind::TimedOut.into())),
        }
        Poll::Ready(Ok(()))
    }

    fn refuse(&mut self, cx: &mut Context<'_>) {
        count::refused(Refusal::HeadTime);
        // Nothing is under way, but the end of an answer may still be on its way out.
        if !self.activity.is_blocked() {
            // A client that cannot take a line is not told.
            let _ = Pin::new(&mut self.inner).poll_write(cx, LATE);
        }
    }
}

impl<S> TimedStream<S> {
    /// What became of a write; late, if the client has not taken one for too long.
    fn poll_taken<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.clock.write_moves();
            return outcome;
        }
        self.clock.write_stalls();
        // Whichever of them it is: who does not take what is written cannot be told.
        ready!(self.poll_over(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Whoever has nothing more to write need not read again, where a read waited before: hyper does not, behind an answer
    /// that it has waited for. So the limit of what comes next counts from here.
    fn count_silence(&mut self, cx: &mut Context<'_>) {
        self.look();
        if !self.is_over && self.clock.poll(cx).is_ready() {
            // Who reads next is told.
            cx.waker().wake_by_ref();
        }
    }

    fn poll_written(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.writes(outcome.is_ready());
        self.poll_taken(cx, outcome)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hello.is_empty() {
            return self.poll_bytes(cx, buf);
        }
        self.hello.move_into(buf);
        if buf.remaining() > 0 {
            // In one go with the rest of the head, which is parsed but once. A failure ends the next read too.
            let _ = self.poll_bytes(cx, buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.poll_written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.poll_written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        let flushed = ready!(self.poll_taken(cx, outcome));
        self.count_silence(cx);
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.poll_taken(cx, outcome)
    }
}
