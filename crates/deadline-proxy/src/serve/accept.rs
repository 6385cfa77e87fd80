//! Where connections come from.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::listen::{Entrance, EstablishError, Listener, Raw, Stream, waiting};
use crate::log;

/// A listener, as far as serving needs to know it.
pub trait Accept {
    /// A connection that was accepted, and of which nothing was read.
    type Raw;

    /// What it meets before HTTP is spoken.
    type Entrance: Send + Sync + 'static;

    /// What a connection reads and writes.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// What is done with a connection before HTTP is spoken on it: in a task of its own, so that none waits for another.
    type Establish: Future<Output = io::Result<(Self::Stream, Client)>> + Send + 'static;

    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// One connection failed, or none can be had right now; the listener goes on.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Raw>> + Send;

    /// Makes it ready for HTTP.
    fn establish(raw: Self::Raw, entrance: &Arc<Self::Entrance>) -> Self::Establish;

    /// Lets nobody else in from here on, as far as that can be; how long to wait for those who are half in.
    fn shut(&self) -> Duration;

    /// Returns who has connected and was not accepted. The last that is done with it.
    fn close(self) -> Vec<Self::Raw>;
}

impl Accept for TcpListener {
    type Raw = (TcpStream, SocketAddr);
    type Entrance = ();
    type Stream = TcpStream;
    type Establish = Ready<io::Result<(TcpStream, Client)>>;

    async fn accept(&self) -> io::Result<Self::Raw> {
        Self::accept(self).await
    }

    fn establish((stream, peer): Self::Raw, _: &Arc<()>) -> Self::Establish {
        // Small answers must not wait for one another; a socket that refuses this is served all the same.
        let _: io::Result<()> = stream.set_nodelay(true);
        let local = stream.local_addr().ok();
        ready(Ok((stream, Client { peer: Some(peer), address: Some(peer), local, ..Client::default() })))
    }

    /// Whose it is, is not known here.
    fn shut(&self) -> Duration {
        Duration::ZERO
    }

    fn close(self) -> Vec<Self::Raw> {
        waiting(self)
    }
}

impl Accept for Listener {
    type Raw = Raw;
    type Entrance = Entrance;
    type Stream = Stream;
    type Establish = Pin<Box<dyn Future<Output = io::Result<(Stream, Client)>> + Send>>;

    async fn accept(&self) -> io::Result<Raw> {
        Self::accept(self).await
    }

    fn establish(raw: Raw, entrance: &Arc<Entrance>) -> Self::Establish {
        Box::pin(establish(raw.under(entrance)))
    }

    fn shut(&self) -> Duration {
        Self::shut(self)
    }

    fn close(self) -> Vec<Raw> {
        Self::close(self)
    }
}

/// Which version TLS has agreed on, the first bytes say too.
async fn establish(raw: Raw) -> io::Result<(Stream, Client)> {
    let established = raw.establish().await.inspect_err(tell);
    established.map(|(stream, client, _)| (stream, client)).map_err(io::Error::other)
}

/// Nobody else can: the client is told nothing. A stranger can fail as often as it likes, and so it is no warning.
fn tell(error: &EstablishError) {
    match error {
        EstablishError::ProxyHeader { .. } => log::no_proxy_header(error),
        _ => tracing::debug!("{error}"),
    }
}
