//! Listeners as their clients see them, over sockets of this machine.

pub(super) mod authority;
pub(super) mod scratch;

mod activation;
mod establish;
mod open;
mod secure;

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Address, Bound, Inherited, Listener, Settings};

fn loopback() -> Settings {
    Settings::new("127.0.0.1:0".parse().unwrap())
}

fn at(path: &Path) -> Settings {
    Settings::new(Address::Unix(path.to_owned()))
}

fn bind(settings: &Settings, copies: usize) -> Result<Bound, super::Error> {
    Bound::bind(settings, copies, &mut Inherited::default())
}

/// One listener, and where it is.
fn listen(settings: &Settings) -> (Listener, String) {
    let bound = bind(settings, 1).unwrap();
    let address = bound.address();
    (bound.sockets().remove(0).listen().unwrap(), address)
}

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address.parse::<SocketAddr>().unwrap()).await.unwrap()
}

async fn connect_unix(address: &str) -> UnixStream {
    UnixStream::connect(address.strip_prefix("unix:").unwrap()).await.unwrap()
}

/// Whether what is written at the one end is read at the other.
async fn reaches(from: &mut (impl AsyncWriteExt + Unpin), to: &mut (impl AsyncReadExt + Unpin), bytes: &[u8]) -> bool {
    from.write_all(bytes).await.unwrap();
    from.flush().await.unwrap();
    let mut read = vec![0; bytes.len()];
    to.read_exact(&mut read).await.is_ok() && read == bytes
}
