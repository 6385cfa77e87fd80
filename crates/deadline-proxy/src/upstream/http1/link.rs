//! The bytes of a connection.
//!
//! Covers the case that an answer begins before its request is whole: the rest of it is written by a task of its own,
//! whether or not somebody reads the answer, and gives its half of the connection back.

use std::future::poll_fn;
use std::io;
use std::mem::replace;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::task::JoinHandle;
use tokio::task::coop::unconstrained;

use super::upload::{Out, Stopped, Upload};
use crate::upstream::io::Io;
use crate::upstream::lease::Sent;

#[derive(Debug)]
pub(super) enum Link {
    Whole(Io),
    /// The rest of a request is written.
    Lent(ReadHalf<Io>, Rest),
    /// The peer takes no more, and may go on with its answer.
    Read(ReadHalf<Io>),
    Gone,
}

/// The task that writes the rest of a request. It ends with this.
#[derive(Debug)]
pub(super) struct Rest(JoinHandle<Result<WriteHalf<Io>, Stopped>>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    /// Reads into the room that there is.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, read: &mut BytesMut) -> Poll<io::Result<usize>> {
        if matches!(self, Self::Lent(..)) {
            self.poll_settle(cx)?;
        }
        match self {
            Self::Whole(io) => pin!(io.read_buf(read)).poll(cx),
            Self::Lent(half, _) | Self::Read(half) => pin!(half.read_buf(read)).poll(cx),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// What is written to; `None` while that is lent.
    pub(super) fn writer(&mut self) -> Option<&mut Io> {
        match self {
            Self::Whole(io) => Some(io),
            _ => None,
        }
    }

    /// From here on the rest of a request is written by a task.
    pub(super) fn lend<B: Sent>(&mut self, mut upload: Upload<B>, mut out: Out) {
        let Self::Whole(io) = replace(self, Self::Gone) else { return };
        let (read, mut write) = split(io);
        let task = tokio::spawn(async move {
            let mut written = 0;
            poll_fn(|cx| upload.poll(cx, &mut write, &mut out, &mut written)).await.map(|()| write)
        });
        *self = Self::Lent(read, Rest(task));
    }

    /// Whether all of it is here, once nothing is lent any more.
    pub(super) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let is_settled = self.poll_settle(cx).is_ok();
        match self {
            Self::Whole(_) => Poll::Ready(is_settled),
            Self::Lent(..) => Poll::Pending,
            Self::Read(_) | Self::Gone => Poll::Ready(false),
        }
    }

    /// # Errors
    ///
    /// The rest of the request broke off: there is no answer to such a request.
    fn poll_settle(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Self::Lent(_, Rest(task)) = self else { return Ok(()) };
        let Poll::Ready(ended) = Pin::new(task).poll(cx) else { return Ok(()) };
        let Self::Lent(read, _) = replace(self, Self::Gone) else { return Ok(()) };
        match ended {
            Ok(Ok(write)) => *self = Self::Whole(read.unsplit(write)),
            Ok(Err(Stopped::Write(_))) => *self = Self::Read(read),
            Ok(Err(Stopped::Body(fault))) => return Err(io::Error::other(fault)),
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }

    /// Whether there is something to read, if only the end.
    pub(super) fn is_readable(&mut self) -> bool {
        let Self::Whole(io) = self else { return true };
        let mut byte = [0];
        let read = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut ReadBuf::new(&mut byte)));
        // A task that has done as much as it may would be told that there is nothing.
        pin!(unconstrained(read)).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Closes it as the peer expects, as far as that takes no time.
    pub(super) fn close(mut self) {
        if let Self::Whole(io @ Io::Tls(_)) = &mut self {
            let _ = Pin::new(io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Writes all of these bytes, and sees to it that they leave.
pub(super) fn poll_write(io: &mut Io, cx: &mut Context<'_>, out: &mut Out, written: &mut u64) -> Poll<io::Result<()>> {
    while !out.rest().is_empty() {
        let count = ready!(Pin::new(&mut *io).poll_write(cx, out.rest()))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *written += count as u64;
        out.advance(count);
    }
    Pin::new(io).poll_flush(cx)
}
