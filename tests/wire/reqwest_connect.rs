//! Connections that are not made: a listener that accepts nobody, and whose queue is full.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tower_deadline::reqwest::{Limit, LimitReached};
use tower_deadline::{PropagateLayer, Stage};

use super::reqwest::{alone, exceeded, get, within};
use crate::support::{MS, Stopwatch, soon};

/// As long as it lives, nobody gets a connection.
pub(super) struct Full {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    pub(super) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        // What has room is connected at once; the first that is not has found the queue full.
        while let Ok(stream) = timeout(300 * MS, TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
            assert!(queue.len() < 100, "this queue does not fill");
        }
        Self { address, _listener: listener, _queue: queue }
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_ends_the_call_at_the_sooner_limit() {
    let full = Full::start().await;
    let url = format!("http://{}/", full.address);
    for (connect, budget, limit) in [(300, 9_000, Limit::Connect), (9_000, 300, Limit::Total)] {
        let line = line!() + 1;
        let builder = PropagateLayer::new().reqwest().connect_timeout(connect * MS);
        // Reading has not begun.
        let client = builder.read_timeout(100 * MS).build(alone()).unwrap();
        let clock = Stopwatch::start();
        let stopped = exceeded(soon("the end of a call", client.execute(within(budget, get(&url)))).await);
        clock.assert_due(300 * MS);
        let reached = LimitReached::find(&stopped).unwrap();
        assert_eq!((stopped.stage(), reached.limit(), reached.length()), (Stage::Connect, limit, 300 * MS));
        let told = format!("{}:{line}", file!());
        assert_eq!(reached.origin().detail().to_string() == told, limit == Limit::Connect, "{reached}");
    }
}
