//! Somebody who does not answer.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::MS;

/// An address at which nobody answers, for as long as this is kept.
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// Linux drops the SYN of whoever finds no room among those who were not accepted yet.
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a port is free");
        socket.bind("127.0.0.1:0".parse().unwrap()).expect("a port is free");
        let listener = socket.listen(1).expect("a port is free");
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(100 * MS, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 20, "there is room for more and more");
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}
