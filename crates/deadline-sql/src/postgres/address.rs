//! Where a server is reached.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::stream::Socket;

/// The address that a connection was dialled at: cancels go to the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host by its address, and the name that its certificate has to have.
    Tcp(SocketAddr, Option<String>),
    /// The folder of a socket, and the port that is part of its name.
    #[cfg(unix)]
    Unix(PathBuf, u16),
}

impl Address {
    /// The name for TLS.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Tcp(_, name) => name.as_deref().unwrap_or_default(),
            #[cfg(unix)]
            Self::Unix(..) => "",
        }
    }

    pub(super) async fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(address, _) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(folder, port) => {
                UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.map(Socket::Unix)
            }
        }
    }
}
