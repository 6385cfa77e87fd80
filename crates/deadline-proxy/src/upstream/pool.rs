//! The connections of one worker.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::cluster::Cluster;
use super::connect::Failure;
use super::endpoint::{Endpoint, Key};
use super::form::Need;
use super::host::{Bounds, Multiplexed, Taken};
use super::lease::{Connection, Http1, Http2, Lease, Slot};
use super::pick::pick;
use super::pooled::Connections;
use super::settings::Balance;
use super::state::{Offer, State, Told, Tried};

/// The connections of one worker to the endpoints of a [`Cluster`]. A clone is the same pool.
///
/// Bounds are of all workers, and each has its share of them, rounded up: with four workers and ten connections to an
/// endpoint, three each. Within its share a worker does not look at the others.
#[derive(Debug)]
pub struct Pool<B>(Arc<Shared<B>>);

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
pub(super) struct Shared<B> {
    cluster: Arc<Cluster>,
    state: Mutex<State<B>>,
}

impl<B: Send> Connections for Shared<B> {
    fn connections(&self) -> (usize, usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).connections()
    }
}

/// What a request was given.
#[derive(Debug)]
pub(super) enum Grant<B> {
    Lease(Lease<B>),
    /// A place for a connection, which has to be made.
    Slot(Slot<B>),
}

/// What there is for a request.
pub(super) enum Checkout<'a, B> {
    Granted(Grant<B>),
    Wait(Waiting<'a, B>),
    Full,
    /// Each endpoint was tried, or there is none.
    Nowhere,
}

impl<B: Send + 'static> Pool<B> {
    /// A pool with one of `share` equal parts of the bounds: as many as there are workers, at least one.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, share: usize) -> Self {
        let settings = cluster.settings();
        let part = |whole: usize| whole.div_ceil(share.max(1));
        let bounds = Bounds {
            connections: part(settings.connections).max(1),
            streams: settings.streams,
            waiting: part(settings.waiting),
            idle_limit: settings.idle_limit,
        };
        let pool = Self(Arc::new(Shared { cluster, state: Mutex::new(State::new(bounds)) }));
        let shared: Weak<Shared<B>> = pool.downgrade();
        pool.cluster().pooled().join(shared);
        pool
    }
}

impl<B> Pool<B> {
    /// Whose endpoints these are.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.0.cluster
    }

    pub(super) fn from_shared(shared: Arc<Shared<B>>) -> Self {
        Self(shared)
    }

    pub(super) fn downgrade(&self) -> Weak<Shared<B>> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn counts_load(&self) -> bool {
        self.0.cluster.settings().balance == Balance::LeastLoaded
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is there, a place for one, or a place in the queue.
    pub(super) fn checkout(&self, need: Need, tried: &Tried, anew: bool) -> Checkout<'_, B> {
        let endpoints = self.0.cluster.endpoints();
        let mut state = self.state();
        if state.is_new(&endpoints) {
            let offers = endpoints.iter().flat_map(|endpoint| state.offer_new(endpoint)).collect();
            drop(state);
            self.hand_out(offers);
            state = self.state();
        }
        let balance = self.0.cluster.settings().balance;
        let Some(picked) = pick(&endpoints, balance, &mut state.turn, tried) else { return Checkout::Nowhere };
        let mut ride = None;
        for endpoint in picked.iter() {
            match state.take(endpoint, need, anew) {
                None => {}
                Some(Taken::Ride) => {
                    ride = Some(endpoint.key);
                    break;
                }
                Some(taken) => {
                    let (number, gone) = (state.number(), state.take_gone());
                    drop(state);
                    gone.close();
                    return Checkout::Granted(self.grant(endpoint, taken, number));
                }
            }
        }
        let gone = state.take_gone();
        if !gone.is_empty() {
            // What was kept has turned out to be closed, and makes room.
            drop(state);
            gone.close();
            return self.checkout(need, tried, anew);
        }
        match state.wait(need, tried, ride) {
            Some((number, told)) => Checkout::Wait(Waiting { pool: self, number, told, is_riding: ride.is_some() }),
            None => Checkout::Full,
        }
    }

    fn grant(&self, endpoint: &Arc<Endpoint>, taken: Taken<B>, number: u64) -> Grant<B> {
        let lease = |connection| Grant::Lease(Lease::new(self.clone(), connection));
        match taken {
            Taken::Http1(one) => lease(Connection::Http1(one)),
            Taken::Http2(one) => lease(Connection::Http2(one)),
            Taken::Place { joining } => Grant::Slot(Slot::new(self, Arc::clone(endpoint), number, joining)),
            // Nobody is given this, and a place that nobody counts would do no harm.
            Taken::Ride => Grant::Slot(Slot::new(self, Arc::clone(endpoint), number, false)),
        }
    }

    /// What became free goes to those who wait. Not under the lock: whoever has left gives it back.
    fn hand_out(&self, offers: Vec<Offer<B>>) {
        for (tell, endpoint, taken) in offers {
            let number = self.state().number();
            // Who has just left is told in vain, and what it was given is given back where it is dropped.
            let _ = tell.send(Ok(self.grant(&endpoint, taken, number)));
        }
    }

    fn change(&self, key: Key, change: impl FnOnce(&mut State<B>)) {
        let mut state = self.state();
        change(&mut state);
        let (offers, gone) = (state.offer(key), state.take_gone());
        drop(state);
        gone.close();
        self.hand_out(offers);
    }

    /// Takes back a connection on which nothing is under way.
    pub(super) fn check_in(&self, connection: Box<Http1<B>>) {
        let key = connection.slot.endpoint.key;
        self.change(key, |state| state.keep(key, connection));
    }

    pub(super) fn end_stream(&self, stream: &Http2) {
        self.change(stream.endpoint.key, |state| {
            if let Some(host) = state.host(stream.endpoint.key) {
                host.end_stream(stream.number);
            }
        });
    }

    /// A connection of HTTP/2 is there, for who made it and for others.
    pub(super) fn join(&self, one: Multiplexed, was_joining: bool) {
        let key = one.connection.endpoint.key;
        self.change(key, |state| {
            if let Some(host) = state.host(key) {
                host.join(one);
                if was_joining {
                    host.settle();
                }
            }
        });
    }

    /// A connection is there that nobody can share.
    pub(super) fn unjoin(&self, key: Key) {
        self.change(key, |state| {
            if let Some(host) = state.host(key) {
                host.settle();
            }
        });
    }

    /// The peer allows more streams.
    pub(super) fn widened(&self, key: Key) {
        self.change(key, |_| {});
    }

    /// A connection is no more, or came to nothing.
    pub(super) fn close(&self, key: Key, number: u64, was_joining: bool) {
        self.change(key, |state| {
            if let Some(host) = state.host(key) {
                host.close(number);
                if was_joining {
                    host.settle();
                }
            }
        });
    }

    /// Those who wait for a connection that cannot be made are told so, and do not try it one after the other.
    pub(super) fn fail_riders(&self, key: Key, failure: &Failure) {
        let riders = self.state().riders(key);
        for rider in riders {
            let _ = rider.send(Err(failure.clone()));
        }
    }
}

impl<B: Send + 'static> Pool<B> {
    /// Sees to it that idle connections are let go of in time, for as long as anything is open.
    pub(super) fn sweep(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.is_swept, true) {
            drop(state);
            tokio::spawn(sweep(self.downgrade()));
        }
    }
}

/// Does not keep the pool.
async fn sweep<B>(pool: Weak<Shared<B>>) {
    while let Some(next) = pool.upgrade().and_then(|shared| {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, gone) = (state.sweep(), state.take_gone());
        state.is_swept = next.is_some();
        drop(state);
        gone.close();
        next
    }) {
        sleep_until(next).await;
    }
}

/// A place in the queue. Dropping it leaves the queue, and gives back what was handed to it.
#[derive(Debug)]
pub(super) struct Waiting<'a, B> {
    pool: &'a Pool<B>,
    number: u64,
    told: oneshot::Receiver<Told<B>>,
    /// Whether it is a connection that is waited for, and not a request.
    pub(super) is_riding: bool,
}

impl<B> Future for Waiting<'_, B> {
    type Output = Told<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The pool keeps the other half for as long as this waits.
        ready!(Pin::new(&mut self.told).poll(cx)).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<B> Drop for Waiting<'_, B> {
    fn drop(&mut self) {
        self.pool.state().leave(self.number);
    }
}
