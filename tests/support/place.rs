//! Ports that nobody else takes: one of the system's, while nobody listens on it, and one of a test's own.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

use super::{MS, soon};

/// Whoever connects to it is refused, unless somebody listens.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Linux gives the port to nobody else while this is bound, and lets one of those who share it listen.
    _held: TcpSocket,
}

impl Place {
    pub(crate) fn take() -> Self {
        let held = bound("127.0.0.1:0".parse().expect("an address")).expect("a port is free");
        let address = held.local_addr().expect("a bound socket has an address");
        Self { address, _held: held }
    }

    /// Listens on it, once nobody else does.
    pub(crate) async fn listen(&self) -> TcpListener {
        let listening = async {
            loop {
                // Whoever starts a program has a copy of a listener for a moment, after it was closed.
                match bound(self.address).and_then(|socket| socket.listen(1_024)) {
                    Ok(listener) => return listener,
                    Err(_) => sleep(MS).await,
                }
            }
        };
        soon("a port of our own", listening).await
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// An address with this port that nobody else takes, also where the same test runs a second time: a port that was free a
/// moment ago may be held by a program that another test starts just now. To be asked for with a port that no other test
/// names, and the system gives to nobody.
pub(crate) fn own_place(port: u16) -> String {
    let [.., third, fourth] = std::process::id().to_be_bytes();
    format!("127.77.{third}.{fourth}:{port}")
}
