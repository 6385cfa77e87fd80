//! A port that stays ours while nobody listens on it.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Whoever connects to it is refused, unless somebody listens.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Linux gives the port to nobody else while this is bound, and lets one of those who share it listen.
    _held: TcpSocket,
}

impl Place {
    pub(crate) fn take() -> Self {
        let held = bound("127.0.0.1:0".parse().expect("an address"));
        let address = held.local_addr().expect("a bound socket has an address");
        Self { address, _held: held }
    }

    /// Listens on it, where nobody else does.
    pub(crate) fn listen(&self) -> TcpListener {
        bound(self.address).listen(1_024).expect("nobody else listens here")
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_reuseaddr(true).expect("a socket takes options");
    socket.bind(address).expect("the port is free, or ours");
    socket
}
