//! What one worker has open to one endpoint, and who may have it.
//!
//! Data alone: whoever holds it locks it. A connection of HTTP/1.1 that is dropped asks for that lock: what is let go of
//! here is handed out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::form::Need;
use super::lease::{Http1, Http2};

/// The most that one worker has open, and waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) streams: usize,
    pub(super) waiting: usize,
    pub(super) idle_limit: Duration,
}

#[derive(Debug)]
pub(super) struct Host<B> {
    pub(super) endpoint: Arc<Endpoint>,
    /// Connections, with those that are being made.
    open: usize,
    /// Connections that are being made and will be HTTP/2.
    joining: usize,
    /// Requests that wait for one of these.
    pub(super) riders: usize,
    /// The latest at the back.
    idle: VecDeque<(Box<Http1<B>>, Instant)>,
    /// What is let go of, until the lock is free.
    gone: Vec<Http1<B>>,
    multiplexed: Vec<Multiplexed>,
}

/// A connection of HTTP/2.
#[derive(Debug)]
pub(super) struct Multiplexed {
    pub(super) connection: Http2,
    pub(super) task: AbortHandle,
    /// The most streams that the peer allows just now.
    pub(super) allowed: Arc<AtomicUsize>,
    pub(super) streams: usize,
    pub(super) since: Instant,
}

/// What a request was given.
#[derive(Debug)]
pub(super) enum Taken<B> {
    Http1(Box<Http1<B>>),
    Http2(Http2),
    /// A place for one more connection, and whether others will ride on it.
    Place {
        joining: bool,
    },
    /// One is being made that will have room.
    Ride,
}

impl<B> Host<B> {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        let (idle, gone, multiplexed) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { endpoint, open: 0, joining: 0, riders: 0, idle, gone, multiplexed }
    }

    /// What there is for a request, if anything. One that is to go `anew` is given what has been kept only where there is
    /// no place for a connection of its own.
    #[inline]
    pub(super) fn take(&mut self, need: Need, bounds: &Bounds, anew: bool) -> Option<Taken<B>> {
        let need = need.at(&self.endpoint);
        if need != Need::Http2
            && !anew
            && let Some(connection) = self.take_idle(bounds)
        {
            return Some(Taken::Http1(connection));
        }
        if need != Need::Http1
            && let Some(connection) = self.take_stream(bounds)
        {
            return Some(Taken::Http2(connection));
        }
        let place = self.take_place(need, bounds);
        if place.is_none() && anew && need != Need::Http2 {
            return self.take_idle(bounds).map(Taken::Http1);
        }
        place
    }

    /// The one that was used last: the others grow old, and there are no more than are needed.
    fn take_idle(&mut self, bounds: &Bounds) -> Option<Box<Http1<B>>> {
        while let Some((mut connection, since)) = self.idle.pop_back() {
            if !connection.conn.is_stale() && since.elapsed() < bounds.idle_limit {
                connection.idle_since = Some(since);
                return Some(connection);
            }
            self.gone.push(*connection);
        }
        None
    }

    fn take_stream(&mut self, bounds: &Bounds) -> Option<Http2> {
        let has_room = |one: &mut Multiplexed| one.streams < one.room(bounds) && !one.connection.is_closed();
        let at = self.multiplexed.iter_mut().position(has_room)?;
        let one = &mut self.multiplexed[at];
        one.streams += 1;
        Some(Http2 { idle_since: (one.streams == 1).then_some(one.since), ..one.connection.clone() })
    }

    fn take_place(&mut self, need: Need, bounds: &Bounds) -> Option<Taken<B>> {
        let joining = need == Need::Http2 || need == Need::Either && self.endpoint.speaks_http2();
        if joining && self.joining > 0 && self.riders < self.joining.saturating_mul(bounds.streams - 1) {
            return Some(Taken::Ride);
        }
        if self.open < bounds.connections {
            self.open += 1;
            self.joining += usize::from(joining);
            return Some(Taken::Place { joining });
        }
        self.evict(need);
        None
    }

    /// An idle connection of the other version makes room; whoever waits is given its place once it is closed.
    fn evict(&mut self, need: Need) {
        if need == Need::Http2 {
            self.gone.extend(self.idle.pop_front().map(|(connection, _)| *connection));
        } else if let Some(at) = self.multiplexed.iter().position(|one| one.streams == 0) {
            self.multiplexed.swap_remove(at).task.abort();
        }
    }

    /// Takes a connection back.
    pub(super) fn keep(&mut self, connection: Box<Http1<B>>) {
        if self.endpoint.is_gone() {
            self.gone.push(*connection);
        } else {
            self.idle.push_back((connection, Instant::now()));
        }
    }

    /// What was let go of; each still has its place.
    #[inline]
    pub(super) fn take_gone(&mut self) -> Vec<Http1<B>> {
        std::mem::take(&mut self.gone)
    }

    /// Nobody calls here any more.
    pub(super) fn leave(self) -> impl Iterator<Item = Http1<B>> {
        self.gone.into_iter().chain(self.idle.into_iter().map(|(connection, _)| *connection))
    }

    /// From here on this connection has streams to give.
    pub(super) fn join(&mut self, one: Multiplexed) {
        self.multiplexed.push(one);
    }

    /// A stream has ended.
    pub(super) fn end_stream(&mut self, number: u64) {
        let Some(at) = self.multiplexed.iter().position(|one| one.connection.number == number) else { return };
        let one = &mut self.multiplexed[at];
        one.streams -= 1;
        one.since = Instant::now();
        if one.streams == 0 && (one.connection.is_closed() || self.endpoint.is_gone()) {
            self.multiplexed.swap_remove(at);
        }
    }

    /// A connection that is being made was to be shared, and now it is there, or never will be.
    pub(super) fn settle(&mut self) {
        self.joining = self.joining.saturating_sub(1);
    }

    /// A connection has ended, or came to nothing.
    pub(super) fn close(&mut self, number: u64) {
        self.open = self.open.saturating_sub(1);
        self.multiplexed.retain(|one| one.connection.number != number);
    }

    /// Lets go of what has been idle for too long. Returns when the next one will have been.
    pub(super) fn sweep(&mut self, limit: Duration) -> Option<Instant> {
        let is_gone = self.endpoint.is_gone();
        for (mut connection, since) in std::mem::take(&mut self.idle) {
            if is_gone || since.elapsed() >= limit || connection.conn.is_stale() {
                self.gone.push(*connection);
            } else {
                self.idle.push_back((connection, since));
            }
        }
        self.multiplexed.retain(|one| one.streams > 0 || !is_gone && one.since.elapsed() < limit);
        let streams = self.multiplexed.iter().filter(|one| one.streams == 0).map(|one| one.since);
        self.idle
            .front()
            .map(|(_, since)| *since)
            .into_iter()
            .chain(streams)
            .min()
            .map(|since| since + limit)
    }

    /// Connections that are busy, or being made, and that are idle.
    pub(super) fn connections(&self) -> (usize, usize) {
        let idle = self.idle.len() + self.multiplexed.iter().filter(|one| one.streams == 0).count();
        (self.open.saturating_sub(idle), idle)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let streams = self.multiplexed.iter().map(|one| one.streams).sum();
        (self.open, self.idle.len(), streams)
    }
}

impl Multiplexed {
    /// A fresh connection has room for one, whatever the peer says.
    fn room(&self, bounds: &Bounds) -> usize {
        self.allowed.load(Ordering::Relaxed).clamp(1, bounds.streams)
    }
}
