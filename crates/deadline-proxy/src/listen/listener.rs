//! Accepting connections, and making each ready for HTTP.
//!
//! Covers what happens before HTTP: the PROXY header of a trusted peer, then TLS. Knows no limit: how long that may
//! take is said by the caller, who gives each connection a task of its own, so that none waits for another.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::bound::{Opened, Origin};
use super::close;
use super::entrance::Entrance;
use super::proxy_header::{self, HeaderError, Proxied, Said};
use super::stream::{Replay, Stream, Transport};
use super::tls::{HTTP1, HTTP2};
use crate::client::Client;
use crate::count::{self, Refusal};

/// Which HTTP was agreed on in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
}

/// A listener of one worker.
#[derive(Debug)]
pub struct Listener {
    accepting: Accepting,
    origin: Arc<Origin>,
    entrance: Arc<Entrance>,
}

#[derive(Debug)]
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn new(opened: Opened, origin: Arc<Origin>, entrance: Arc<Entrance>) -> io::Result<Self> {
        let accepting = match opened {
            Opened::Tcp(listener) => Accepting::Tcp(TcpListener::from_std(listener)?),
            Opened::Unix(listener) => Accepting::Unix(UnixListener::from_std(listener)?),
        };
        Ok(Self { accepting, origin, entrance })
    }

    /// Waits for the next connection. Cancel-safe: a connection is never lost.
    ///
    /// # Errors
    ///
    /// Where one connection failed, or none can be had right now; the listener goes on.
    pub async fn accept(&self) -> io::Result<Raw> {
        Ok(match &self.accepting {
            Accepting::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Raw::tcp(stream, peer, &self.entrance)
            }
            Accepting::Unix(listener) => Raw::unix(listener.accept().await?.0, &self.entrance),
        })
    }

    /// Lets nobody else in from here on. Go on accepting for as long as it returns: so long somebody may be half in. What
    /// was inherited is not shut, because somebody else may go on with it.
    #[must_use]
    pub fn shut(&self) -> Duration {
        close::shut(&self.accepting, &self.origin)
    }

    /// Returns who has connected and was not accepted: the system would reset them with the socket. To be called within a
    /// runtime.
    #[must_use]
    pub fn close(self) -> Vec<Raw> {
        close::close(self.accepting, &self.entrance)
    }
}

/// An IPv4 peer on a socket for both is shown as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A connection that was accepted; not a byte of it was read.
#[derive(Debug)]
pub struct Raw {
    pub(super) transport: Transport,
    peer: Option<SocketAddr>,
    entrance: Arc<Entrance>,
}

impl Raw {
    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr, entrance: &Arc<Entrance>) -> Self {
        // Small answers must not wait for one another; a socket that refuses this is served all the same.
        let _ = stream.set_nodelay(true);
        Self { transport: Transport::Tcp(stream), peer: Some(canonical(peer)), entrance: Arc::clone(entrance) }
    }

    pub(super) fn unix(stream: UnixStream, entrance: &Arc<Entrance>) -> Self {
        Self { transport: Transport::Unix(stream), peer: None, entrance: Arc::clone(entrance) }
    }

    /// Meets this, and not what its listener was opened with.
    #[must_use]
    pub fn under(self, entrance: &Arc<Entrance>) -> Self {
        Self { entrance: Arc::clone(entrance), ..self }
    }

    /// Who is directly connected; `None` on a Unix socket.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Reads the PROXY header where the peer is one of those who must send it, then speaks TLS where the listener
    /// does. From any other peer no PROXY header is read: its bytes are taken for TLS or HTTP, and fail as such.
    ///
    /// Waits as long as the peer does: bound it. Not cancel-safe: a connection that was dropped within is closed.
    ///
    /// # Errors
    ///
    /// Why there is no connection to serve. What was refused is counted.
    pub async fn establish(self) -> Result<(Stream, Client, Option<Alpn>), EstablishError> {
        let Self { mut transport, peer, entrance } = self;
        let (local, side) = (transport.local().map(canonical), entrance.side());
        let mut client = Client { peer, address: peer, local, side, ..Client::default() };
        let mut ahead = Bytes::new();
        if entrance.expects_proxy_header(peer) {
            let (said, rest) = proxy_header::read(&mut transport).await.map_err(|error| of_header(peer, error))?;
            believe(&mut client, said);
            ahead = rest;
        }
        let stream = Replay::new(transport, ahead);
        let Some(certificates) = entrance.certificates() else {
            return Ok((Stream::plain(stream), client, None));
        };
        // Boxed, so that the task of a plain connection has no room for a handshake.
        let handshake = Box::pin(handshake(stream, certificates.config()));
        let (stream, alpn) = handshake.await.map_err(|error| of_tls(peer, error))?;
        client.tls = true;
        Ok((stream, client, alpn))
    }
}

/// A peer that speaks for itself is a balancer that asks how we are. One that does not say for whom it speaks has
/// somebody behind it all the same, who is not to be taken for the balancer, and believed like it.
fn believe(client: &mut Client, said: Said) {
    match said {
        Said::Itself => {}
        Said::Somebody => (client.address, client.proxied) = (None, true),
        Said::Client(Proxied { source, destination }) => {
            client.address = Some(canonical(source));
            client.local = Some(canonical(destination));
        }
    }
}

async fn handshake(stream: Replay<Transport>, config: Arc<ServerConfig>) -> io::Result<(Stream, Option<Alpn>)> {
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let alpn = match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => Some(Alpn::Http2),
        Some(HTTP1) => Some(Alpn::Http1),
        // Others are not agreed on: a client that offers none of ours is refused, and one that offers nothing may
        // speak either.
        _ => None,
    };
    Ok((Stream::tls(stream), alpn))
}

/// Why a connection that was accepted is not served.
#[derive(Debug)]
#[non_exhaustive]
pub enum EstablishError {
    /// The peer left, or the connection broke: a check whether the port is open, as a rule.
    Gone(io::Error),
    /// A peer who must send a PROXY header sent something else.
    ProxyHeader {
        /// Who; `None` on a Unix socket.
        peer: Option<SocketAddr>,
        /// What was wrong with it.
        source: HeaderError,
    },
    /// No TLS session came about: no TLS was spoken, nothing was agreed on, or no trusted certificate was shown.
    Tls {
        /// Who; `None` on a Unix socket.
        peer: Option<SocketAddr>,
        /// Why.
        source: rustls::Error,
    },
}

fn of_header(peer: Option<SocketAddr>, error: io::Error) -> EstablishError {
    match error.downcast() {
        Ok(source) => {
            count::refused(Refusal::ProxyHeader);
            EstablishError::ProxyHeader { peer, source }
        }
        Err(error) => EstablishError::Gone(error),
    }
}

fn of_tls(peer: Option<SocketAddr>, error: io::Error) -> EstablishError {
    match error.downcast() {
        Ok(source) => {
            count::refused(Refusal::Tls);
            EstablishError::Tls { peer, source }
        }
        Err(error) => EstablishError::Gone(error),
    }
}

impl fmt::Display for EstablishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, source): (_, &dyn fmt::Display) = match self {
            Self::Gone(source) => return write!(f, "the peer left before it had asked for anything: {source}"),
            Self::ProxyHeader { peer, source } => (peer, source),
            Self::Tls { peer, source } => (peer, source),
        };
        match peer {
            Some(peer) => write!(f, "{peer}: {source}"),
            None => write!(f, "unix: {source}"),
        }
    }
}

impl std::error::Error for EstablishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Gone(source) => Some(source),
            Self::ProxyHeader { source, .. } => Some(source),
            Self::Tls { source, .. } => Some(source),
        }
    }
}
