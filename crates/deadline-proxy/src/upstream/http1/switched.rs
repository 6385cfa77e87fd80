//! What becomes of a connection after a 101 (R32).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::upstream::io::Io;

/// In the extensions of a 101: the connection, for whoever takes it first.
#[derive(Clone, Debug)]
pub(crate) struct Switched(Arc<Mutex<Option<Tunnel>>>);

impl Switched {
    pub(super) fn new(io: Io, read: Bytes) -> Self {
        Self(Arc::new(Mutex::new(Some(Tunnel { io, read }))))
    }

    /// The connection of this answer; `None` where there is none, or it was taken.
    pub(crate) fn take<B>(response: &mut Response<B>) -> Option<Tunnel> {
        let Self(tunnel) = response.extensions_mut().remove()?;
        tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A connection that speaks HTTP no more.
#[derive(Debug)]
pub(crate) struct Tunnel {
    io: Io,
    /// What came with the head.
    read: Bytes,
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..count]);
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
