//! What stands between a client and a server on TCP: slow, counting, and out of order when a test wants it so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newcomers {
    Served,
    /// They are taken, and nothing is ever read of them or sent to them.
    Ignored,
    /// They are reset at once.
    Reset,
}

/// Passes on what comes, in both directions. All of it ends when this is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

struct State {
    to: SocketAddr,
    /// Of each direction.
    delay: Duration,
    newcomers: watch::Sender<Newcomers>,
    frozen: watch::Sender<bool>,
    accepted: AtomicUsize,
    flights: AtomicUsize,
    open: Mutex<JoinSet<()>>,
}

/// One connection, and who has the word on it.
struct Talk {
    state: Arc<State>,
    /// Whether the client has been told something since it last said something.
    answered: AtomicBool,
}

/// Where bytes go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToServer,
    ToClient,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        Self::delaying(server, Duration::ZERO).await
    }

    /// Each direction takes this long, for however much.
    pub(crate) async fn delaying(server: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State {
            to: server,
            delay,
            newcomers: watch::Sender::new(Newcomers::Served),
            frozen: watch::Sender::new(false),
            accepted: AtomicUsize::new(0),
            flights: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, _accepting: accepting }
    }

    /// What becomes of connections from now on.
    pub(crate) fn newcomers(&self, newcomers: Newcomers) {
        self.state.newcomers.send_replace(newcomers);
    }

    /// Whether what comes is held back, of all connections, until this is taken back.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.state.frozen.send_replace(frozen);
    }

    /// Closes every connection that there is.
    pub(crate) fn cut(&self) {
        self.state.open.lock().unwrap().abort_all();
    }

    /// How many connections there were so far, served or not.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// How often a client has spoken so far, and what it sends before it hears anything is one time: so many round trips
    /// it has paid for. Exact where there is a delay that is longer than a client takes to send what it sends at once.
    pub(crate) fn flights(&self) -> usize {
        self.state.flights.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        state.accepted.fetch_add(1, Ordering::Relaxed);
        let newcomers = *state.newcomers.borrow();
        let talk = Talk { state: Arc::clone(&state), answered: AtomicBool::new(true) };
        let serving = async move {
            match newcomers {
                Newcomers::Served => talk.serve(client).await,
                Newcomers::Ignored => std::future::pending().await,
                Newcomers::Reset => drop(client.set_zero_linger()),
            }
        };
        state.open.lock().unwrap().spawn(serving);
    }
}

impl Talk {
    async fn serve(self, client: TcpStream) {
        // A server that takes nobody: the client sees its connection end.
        let Ok(server) = TcpStream::connect(self.state.to).await else { return };
        client.set_nodelay(true).expect("a socket can be told");
        server.set_nodelay(true).expect("a socket can be told");
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let there = self.carry(from_client, to_server, Way::ToServer);
        let back = self.carry(from_server, to_client, Way::ToClient);
        tokio::join!(there, back);
    }

    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way) {
        let (hold, mut held) = mpsc::channel::<(Instant, Vec<u8>)>(64);
        let reading = async move {
            let mut buffer = vec![0; 16 * 1_024];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                if way == Way::ToServer && self.answered.swap(false, Ordering::Relaxed) {
                    self.state.flights.fetch_add(1, Ordering::Relaxed);
                }
                let due = Instant::now() + self.state.delay;
                if hold.send((due, buffer[..read].to_vec())).await.is_err() {
                    break;
                }
            }
        };
        let writing = async move {
            let mut frozen = self.state.frozen.subscribe();
            while let Some((due, bytes)) = held.recv().await {
                sleep_until(due).await;
                let _ = frozen.wait_for(|frozen| !frozen).await;
                if to.write_all(&bytes).await.is_err() {
                    break;
                }
                if way == Way::ToClient {
                    self.answered.store(true, Ordering::Relaxed);
                }
            }
            let _ = to.shutdown().await;
        };
        tokio::join!(reading, writing);
    }
}
