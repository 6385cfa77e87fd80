//! Making a connection: within the request that needs it, and so gone with it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::SendError;
use super::cluster::Cluster;
use super::dial::{dial, dial_tcp};
use super::endpoint::{Address, Endpoint, Name, Spoken};
use super::error::Broke;
use super::form::Need;
use super::host::Multiplexed;
use super::http1::Conn;
use super::http2::{self, Link, Sender, Watch};
use super::io::Io;
use super::lease::{Connection, Http1, Http2, Lease, Sent, Slot};
use super::pool::Pool;
use super::telling::{Steps, Telling};
use crate::count::Connect;

/// Longer than it takes to connect to any endpoint that is well, unless a packet is lost.
const TOO_LONG: Duration = Duration::from_secs(1);

/// How much of one answer of HTTP/2 is held while its client does not read.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The most that a window can be (RFC 9113 §6.9.1).
const WINDOW_AT_MOST: u32 = (1 << 31) - 1;

/// Why there is no connection. Told to everybody who waited for it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) endpoint: Arc<Endpoint>,
    why: Why,
}

#[derive(Clone, Debug)]
pub(super) enum Why {
    Refused(Arc<io::Error>),
    Tls(Arc<io::Error>),
    Late(Duration),
}

impl Why {
    /// Whether it is the endpoint's failure: not where this machine has nothing left to connect with, nor where it
    /// speaks, but not the version that one request asks for.
    fn is_of(&self, endpoint: &Endpoint, need: Need) -> bool {
        match self {
            Self::Refused(error) => !is_ours(error),
            Self::Tls(_) => need != Need::Http2 || endpoint.should_speak(Spoken::Http2),
            Self::Late(_) => true,
        }
    }
}

/// Whether it is this machine that lacks something: memory, ports, descriptors.
fn is_ours(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// A connection that is being made. Whoever has waited for it this long and leaves has found the endpoint wanting: it
/// would never be left out where every deadline is sooner than the limit of connecting.
struct Trying<'a> {
    cluster: &'a Cluster,
    endpoint: &'a Endpoint,
    /// `None` once it has ended.
    since: Option<Instant>,
}

impl<'a> Trying<'a> {
    fn new(cluster: &'a Cluster, endpoint: &'a Endpoint) -> Self {
        Self { cluster, endpoint, since: Some(Instant::now()) }
    }

    fn end(mut self, outcome: Connect) {
        self.since = None;
        self.cluster.pooled().connected(outcome);
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        let Some(since) = self.since else { return };
        self.cluster.pooled().connected(Connect::Abandoned);
        if since.elapsed() >= TOO_LONG {
            self.cluster.failed(self.endpoint);
        }
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Refused(Arc::new(error))
    }
}

impl Failure {
    /// It was there, and closed before anything was written.
    pub(super) fn closed(endpoint: &Arc<Endpoint>, error: Broke) -> Self {
        Self { endpoint: Arc::clone(endpoint), why: Why::Refused(Arc::new(io::Error::other(error))) }
    }

    pub(super) fn into_error<E>(self) -> SendError<E> {
        let endpoint: Name = self.endpoint.name.clone();
        match self.why {
            Why::Refused(source) => SendError::Connect { endpoint, source: own(source) },
            Why::Tls(source) => SendError::Tls { endpoint, source: own(source) },
            Why::Late(limit) => SendError::ConnectTimeout { endpoint, limit },
        }
    }
}

/// The error itself for the last who is told, the same in words for the others.
fn own(error: Arc<io::Error>) -> io::Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| io::Error::new(error.kind(), error.to_string()))
}

/// Makes the connection for which there is a place.
pub(super) async fn connect<B: Sent>(
    pool: &Pool<B>,
    slot: Slot<B>,
    need: Need,
    telling: &Telling,
) -> Result<Lease<B>, Failure> {
    let limit = pool.cluster().settings().connect_limit;
    let endpoint = Arc::clone(&slot.endpoint);
    let trying = Trying::new(pool.cluster(), &endpoint);
    let mut steps = Steps::of(telling);
    let made = timeout(limit, establish(pool.cluster(), &slot.endpoint, need, &mut steps)).await;
    trying.end(outcome(&made));
    let why = match made {
        Ok(Ok(established)) => {
            pool.sweep();
            return Ok(Lease::fresh(pool.clone(), established.enter(pool, slot)));
        }
        Ok(Err(why)) => why,
        Err(_) => {
            steps.late(limit);
            Why::Late(limit)
        }
    };
    let failure = Failure { endpoint, why };
    if failure.why.is_of(&failure.endpoint, need) {
        pool.cluster().failed(&failure.endpoint);
    }
    if slot.is_joining() {
        pool.fail_riders(failure.endpoint.key, &failure);
    }
    Err(failure)
}

fn outcome<T>(made: &Result<Result<T, Why>, Elapsed>) -> Connect {
    match made {
        Ok(Ok(_)) => Connect::Made,
        Ok(Err(Why::Refused(_))) => Connect::Refused,
        Ok(Err(Why::Tls(_))) => Connect::Tls,
        Ok(Err(Why::Late(_))) | Err(_) => Connect::Late,
    }
}

/// A connection that speaks HTTP, and what drives it where somebody has to.
pub(super) enum Established {
    Http1(Conn),
    Http2(Sender, Box<Link>),
}

pub(super) async fn establish(
    cluster: &Cluster,
    endpoint: &Endpoint,
    need: Need,
    steps: &mut Steps<'_>,
) -> Result<Established, Why> {
    let need = need.at(endpoint);
    let (io, is_http2) = match (cluster.tls(), &endpoint.origin.tls, &endpoint.address) {
        (Some(tls), Some(name), Address::Tcp(address)) => {
            let stream = steps.connecting(&endpoint.address, dial_tcp(address)).await?;
            let secured = steps.securing(tls.connect(name, stream, need)).await;
            let (stream, is_http2) = secured.map_err(|error| Why::Tls(Arc::new(error)))?;
            if need == Need::Either {
                endpoint.chose_http2(is_http2);
            }
            (Io::Tls(stream), is_http2)
        }
        _ => (steps.connecting(&endpoint.address, dial(&endpoint.address)).await?, need == Need::Http2),
    };
    let streams = cluster.settings().streams;
    handshake(io, is_http2.then_some(streams)).await.map_err(|error| Why::from(io::Error::other(error)))
}

/// HTTP/2 with room for so many streams, or else HTTP/1.1.
async fn handshake(io: Io, http2: Option<usize>) -> Result<Established, h2::Error> {
    if let Some(streams) = http2 {
        let (sender, link) = http2::handshake(io, windows(streams)).await?;
        return Ok(Established::Http2(sender, Box::new(link)));
    }
    Ok(Established::Http1(Conn::new(io)))
}

/// The windows of a stream and of its connection: that of the connection has room for all streams, so that those whose
/// clients do not read take none of the others'.
fn windows(streams: usize) -> (u32, u32) {
    let streams = u32::try_from(streams).unwrap_or(u32::MAX).max(1);
    let stream = STREAM_WINDOW.min(WINDOW_AT_MOST / streams).max(1);
    (stream, stream.saturating_mul(streams).min(WINDOW_AT_MOST))
}

impl Established {
    /// Keeps the place until the connection has ended. One of HTTP/2 is driven in a task of its own.
    fn enter<B: Sent>(self, pool: &Pool<B>, mut slot: Slot<B>) -> Connection<B> {
        let (endpoint, number) = (Arc::clone(&slot.endpoint), slot.number);
        match self {
            Self::Http1(conn) => {
                if slot.settle() {
                    // HTTP/2 was expected, and TLS chose otherwise: who waits for it makes a connection of its own.
                    pool.unjoin(endpoint.key);
                }
                Connection::Http1(Box::new(Http1 { conn, slot, idle_since: None }))
            }
            Self::Http2(sender, mut link) => {
                let was_joining = slot.settle();
                let allowed = Arc::new(AtomicUsize::new(link.max_concurrent_send_streams()));
                let pings = link.ping_pong();
                let watch = sender.watch(pings);
                let task = tokio::spawn(drive(link, watch, slot, Arc::clone(&allowed))).abort_handle();
                let stream = Http2 { sender, endpoint, number, idle_since: None };
                let connection = stream.clone();
                // The first stream is that of who made it.
                pool.join(Multiplexed { connection, task, allowed, streams: 1, since: Instant::now() }, was_joining);
                Connection::Http2(stream)
            }
        }
    }
}

/// Drives a connection of HTTP/2 until it ends or its peer is silent, and tells who waits when that allows more streams.
async fn drive<B: Sent>(mut link: Box<Link>, mut watch: Watch, slot: Slot<B>, allowed: Arc<AtomicUsize>) {
    poll_fn(|cx| {
        if watch.poll_silent(cx).is_ready() {
            return Poll::Ready(());
        }
        let ended = Pin::new(&mut *link).poll(cx);
        let now = link.max_concurrent_send_streams();
        if allowed.swap(now, Ordering::Relaxed) < now
            && let Some(pool) = slot.pool()
        {
            pool.widened(slot.endpoint.key);
        }
        ended.map(drop)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_a_connection_has_room_for_all_its_streams() {
        assert_eq!(windows(100), (STREAM_WINDOW, 100 * STREAM_WINDOW));
        assert_eq!(windows(1), (STREAM_WINDOW, STREAM_WINDOW));
        for streams in [8_191, 8_192, 100_000, usize::MAX] {
            let (stream, connection) = windows(streams);
            assert!(stream >= 1 && (stream..=WINDOW_AT_MOST).contains(&connection), "{streams}");
        }
    }
}
