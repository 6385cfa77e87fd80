//! How much the proxy takes from its clients, and why each number is what it is.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::Error;

/// hyper's own number, which it holds on the stack; another one costs an allocation for each request.
pub(super) const HEAD_COUNT: usize = 100;

/// Below it, hyper has no room for a read.
const HEAD_BYTES_AT_LEAST: usize = 8 * 1024;

/// What every client is held to. The defaults are safe for a proxy that faces strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Fields of one head, and of its trailers. 100: the most that Apache, hyper and HAProxy (101) take by default,
    /// and more than any browser sends behind any chain of proxies.
    pub head_count: usize,
    /// Bytes of one head, from 8 192 up. 65 536: a ticket of Kerberos or a stack of cookies fits, which 8 192
    /// (nginx, for one line) do not always; and it is what an unread connection can hold of memory.
    ///
    /// Over HTTP/2 it counts 32 bytes more for each field (RFC 9113 §6.5.2).
    pub head_bytes: usize,
    /// How long a connection may ask for nothing: until its first request and between two of them; over HTTP/2, where it
    /// is asked meanwhile whether it is still there, from once to twice as long. 75 s: longer than the minute after which balancers close
    /// theirs, so that it is they who close, and no request meets a connection that has just been closed.
    pub head_limit: Duration,
    /// How long a head of HTTP/1.1 may take from its first byte to its end. 10 s: a head is one packet or a few, and
    /// this leaves room for three that are lost and sent again (1 s, 2 s, 4 s later).
    pub started_head_limit: Duration,
    /// How slow a request body may be; `None`: as slow as it likes, until its deadline. Not for calls of gRPC and
    /// streams of Connect, which are silent as long as nobody has something to say.
    pub body_rate: Option<Rate>,
    /// Connections of the whole process, tunnels among them. 16 384: with the 12 KiB that an idle one holds without TLS,
    /// two hundred megabytes.
    pub connections: usize,
    /// Streams of one HTTP/2 connection at a time. 128: what nginx has, and above the 100 that RFC 9113 §6.5.2 asks
    /// for.
    pub streams: u32,
    /// Requests under way at a time, on one route; `None`: as many as come. Only who runs the upstream knows how many
    /// it can take.
    pub in_flight: Option<usize>,
    /// How long a client may take nothing of its answer. 30 s: a train in a tunnel; half of nginx's minute, because
    /// what stalls holds a connection to the upstream too.
    ///
    /// Over HTTP/2 a window that stays shut is no write that stalls: there it counts from the deadline, and where a
    /// response has none, it does not count.
    pub write_stall: Duration,
}

/// How slow is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second.
    pub bytes: u32,
    /// How long nothing at all may come; at this rate and above, a body never runs out of it.
    pub grace: Duration,
}

impl Default for Rate {
    /// 240 bytes a second, as IIS and Kestrel have it: less than the slowest modem ever sold. 20 s of silence, as
    /// Apache's mod_reqtimeout: a phone that changes its cell, or a packet that is lost four times (1 + 2 + 4 + 8 s).
    fn default() -> Self {
        Self { bytes: 240, grace: Duration::from_secs(20) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head_count: HEAD_COUNT,
            head_bytes: 64 * 1024,
            head_limit: Duration::from_secs(75),
            started_head_limit: Duration::from_secs(10),
            body_rate: Some(Rate::default()),
            connections: 16_384,
            streams: 128,
            in_flight: None,
            write_stall: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// That each of them can be kept.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.wrong().next().map_or(Ok(()), Err)
    }

    /// Every one that cannot be kept.
    pub(crate) fn wrong(&self) -> impl Iterator<Item = Error> + use<> {
        let numbers = [
            ("head_count", self.head_count, 1, usize::from(u16::MAX)),
            ("head_bytes", self.head_bytes, HEAD_BYTES_AT_LEAST, 1 << 30),
            ("connections", self.connections, 1, Semaphore::MAX_PERMITS),
            ("streams", self.streams as usize, 1, i32::MAX as usize),
            ("in_flight", self.in_flight.unwrap_or(1), 1, Semaphore::MAX_PERMITS),
            ("body_rate.bytes", self.body_rate.map_or(1, |rate| rate.bytes as usize), 1, u32::MAX as usize),
        ];
        let out_of_bounds = numbers.into_iter().filter(|(_, found, least, most)| !(least..=most).contains(&found));
        let out_of_bounds =
            out_of_bounds.map(|(name, found, least, most)| Error::new(name, found, format!("{least} to {most}")));
        let durations = [
            ("head_limit", self.head_limit),
            ("started_head_limit", self.started_head_limit),
            ("body_rate.grace", self.body_rate.map_or(Duration::MAX, |rate| rate.grace)),
            ("write_stall", self.write_stall),
        ];
        let zero = durations.into_iter().filter(|(_, found)| found.is_zero());
        out_of_bounds.chain(zero.map(|(name, found)| Error::new(name, found, "more than nothing")))
    }
}
