//! Connections that are not made: a listener that accepts nobody, and whose queue is full.

use std::future::pending;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tower_deadline::reqwest::{Limit, LimitReached};
use tower_deadline::{PropagateLayer, Stage};

use super::reqwest::{alone, exceeded, get, within};
use crate::support::{MS, Stopwatch, soon};

/// As long as it lives, nobody gets a connection.
pub(crate) struct Full {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    pub(crate) async fn start() -> Self {
        let listener = short_queue();
        let address = listener.local_addr().unwrap();
        Self { address, _listener: listener, _queue: fill(address).await }
    }
}

fn short_queue() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1).unwrap()
}

/// Takes every place in the queue. What has room is connected at once; the first that is not found it full.
async fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(300 * MS, TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
        assert!(queue.len() < 100, "this queue does not fill");
    }
    queue
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

#[tokio::test]
async fn a_call_that_the_pool_serves_in_the_end_reads_with_its_own_limit() {
    let listener = short_queue();
    let address = listener.local_addr().unwrap();
    let (tell, mut asked) = unbounded_channel();
    let (free, freed) = oneshot::channel();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        tell.send(()).unwrap();
        freed.await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        read_head(&mut stream).await;
        tell.send(()).unwrap();
        pending::<()>().await;
    };
    let _server = tokio::spawn(serve);
    let builder = PropagateLayer::new().reqwest().connect_timeout(9_000 * MS);
    let client = builder.read_timeout(900 * MS).build(alone()).unwrap();
    let call = || tokio::spawn(client.execute(within(9_000, get(format!("http://{address}/")))));

    let first = call();
    soon("the first request", asked.recv()).await;
    let _queue = fill(address).await;
    // There is no way to a connection of its own, and it takes the one that comes free.
    let second = call();
    sleep(100 * MS).await;
    free.send(()).unwrap();
    assert!(soon("an answer", first).await.unwrap().unwrap().status().is_success());
    let clock = Stopwatch::start();
    soon("the second request", asked.recv()).await;
    let stopped = exceeded(soon("the end of the second", second).await.unwrap());
    assert!(clock.elapsed() < 5_000 * MS, "neither of the longer limits: {:?}", clock.elapsed());
    assert_eq!(LimitReached::find(&stopped).map(|reached| reached.limit()), Some(Limit::Read));
    assert_eq!(stopped.stage(), Stage::Upstream);
}

async fn read_head(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0);
    }
}
