//! The bytes of a connection that was established.
//!
//! Covers one type over TCP, Unix sockets and TLS on either, with what was read ahead given back first. Decides
//! nothing: no limit and no timer is here.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// Calls the same method of whichever it is.
macro_rules! whichever {
    ($self:expr, $type:ident :: { $($variant:ident),+ }, $stream:ident => $call:expr) => {
        match $self {
            $($type::$variant($stream) => $call,)+
        }
    };
}

/// A socket that was accepted.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    /// Our end; `None` on a Unix socket.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        whichever!(self.get_mut(), Self::{Tcp, Unix}, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        whichever!(self.get_mut(), Self::{Tcp, Unix}, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(self.get_mut(), Self::{Tcp, Unix}, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(self.get_mut(), Self::{Tcp, Unix}, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        whichever!(self.get_mut(), Self::{Tcp, Unix}, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        whichever!(self, Self::{Tcp, Unix}, stream => stream.is_write_vectored())
    }
}

/// Gives back first what was read ahead, then what comes. Writing is that of the inner one.
#[derive(Debug)]
pub(super) struct Replay<T> {
    inner: T,
    /// Boxed, because few connections have any, and most stay open for long.
    ahead: Option<Box<Bytes>>,
}

impl<T> Replay<T> {
    pub(super) fn new(inner: T, ahead: Bytes) -> Self {
        Self { inner, ahead: (!ahead.is_empty()).then(|| Box::new(ahead)) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Replay<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(ahead) = &mut this.ahead else {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        };
        let length = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..length]);
        ahead.advance(length);
        if ahead.is_empty() {
            this.ahead = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Replay<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// A connection that was established: plain or TLS, over TCP or a Unix socket.
///
/// Shutting it down ends our direction alone; over TLS it says so to the peer first.
#[derive(Debug)]
pub struct Stream(Inner);

/// TLS is boxed: its state is some kilobytes, and a plain connection that is idle must not hold as many.
#[derive(Debug)]
enum Inner {
    Plain(Replay<Transport>),
    Tls(Box<TlsStream<Replay<Transport>>>),
}

impl Stream {
    pub(super) fn plain(stream: Replay<Transport>) -> Self {
        Self(Inner::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<Replay<Transport>>) -> Self {
        Self(Inner::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.get_mut().0, Inner::{Plain, Tls}, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        whichever!(&mut self.get_mut().0, Inner::{Plain, Tls}, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.get_mut().0, Inner::{Plain, Tls}, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.get_mut().0, Inner::{Plain, Tls}, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        whichever!(&mut self.get_mut().0, Inner::{Plain, Tls}, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        whichever!(&self.0, Inner::{Plain, Tls}, stream => stream.is_write_vectored())
    }
}
