//! What one worker has: its hosts, and who waits for them.
//!
//! Data alone, behind one lock that is never contended. What it hands out is sent after the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cluster::Endpoints;
use super::connect::Failure;
use super::endpoint::{Endpoint, Key};
use super::form::Need;
use super::host::{Bounds, Host, Taken};
use super::lease::Http1;
use super::pool::Grant;

/// How long a connection that its peer has closed may be kept, where no request finds it out before.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Endpoints that a request has tried already.
pub(super) type Tried = Vec<u64>;

/// What somebody who waits is told.
pub(super) type Told<B> = Result<Grant<B>, Failure>;

#[derive(Debug)]
pub(super) struct State<B> {
    bounds: Bounds,
    /// By the place of the endpoint.
    hosts: Vec<Option<Host<B>>>,
    /// By number.
    waiters: VecDeque<Waiter<B>>,
    /// Those of them that wait for somebody else to finish.
    waiting: usize,
    next: u64,
    /// Which endpoints there were the last time.
    view: usize,
    /// Where the next round begins.
    pub(super) turn: usize,
    /// Whether somebody looks after idle connections.
    pub(super) is_swept: bool,
    /// What is to be closed.
    gone: Vec<Http1<B>>,
}

/// Connections that are let go of. To be dropped without the lock.
#[must_use = "they are to be dropped without the lock"]
pub(super) struct Gone<B>(Vec<Http1<B>>);

impl<B> Gone<B> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closes them.
    pub(super) fn close(self) {
        if !self.is_empty() {
            self.0.into_iter().for_each(Http1::close);
        }
    }
}

#[derive(Debug)]
struct Waiter<B> {
    number: u64,
    need: Need,
    tried: Tried,
    /// The host at which a connection is being made that will have room.
    ride: Option<Key>,
    tell: oneshot::Sender<Told<B>>,
}

/// What is to be handed to whom.
pub(super) type Offer<B> = (oneshot::Sender<Told<B>>, Arc<Endpoint>, Taken<B>);

impl<B> State<B> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (hosts, waiters) = (Vec::new(), VecDeque::new());
        // Workers that began at the same place would all call the same endpoint first.
        let turn = fastrand::usize(..);
        Self { bounds, hosts, waiters, waiting: 0, next: 0, view: 0, turn, is_swept: false, gone: Vec::new() }
    }

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The host that this key is for; `None` if another endpoint has its place now.
    pub(super) fn host(&mut self, key: Key) -> Option<&mut Host<B>> {
        self.hosts.get_mut(key.place)?.as_mut().filter(|host| host.endpoint.key == key)
    }

    fn host_of(&mut self, endpoint: &Arc<Endpoint>) -> &mut Host<B> {
        let Key { place, .. } = endpoint.key;
        if self.hosts.len() <= place {
            self.hosts.resize_with(place + 1, || None);
        }
        let host = &mut self.hosts[place];
        if let Some(before) = host.take_if(|host| host.endpoint.key != endpoint.key) {
            self.gone.extend(before.leave());
        }
        host.get_or_insert_with(|| Host::new(Arc::clone(endpoint)))
    }

    pub(super) fn take(&mut self, endpoint: &Arc<Endpoint>, need: Need, anew: bool) -> Option<Taken<B>> {
        let bounds = self.bounds;
        let host = self.host_of(endpoint);
        let (taken, gone) = (host.take(need, &bounds, anew), host.take_gone());
        self.goes(gone);
        taken
    }

    /// Connections that are to be closed once the lock is free: to drop one asks for it.
    #[inline]
    pub(super) fn take_gone(&mut self) -> Gone<B> {
        Gone(std::mem::take(&mut self.gone))
    }

    /// Takes a connection back.
    pub(super) fn keep(&mut self, key: Key, connection: Box<Http1<B>>) {
        match self.host(key) {
            Some(host) => host.keep(connection),
            None => self.gone.push(*connection),
        }
        let gone = self.host(key).map(Host::take_gone).unwrap_or_default();
        self.goes(gone);
    }

    /// Hardly ever anything.
    #[inline]
    fn goes(&mut self, gone: Vec<Http1<B>>) {
        if !gone.is_empty() {
            self.gone.extend(gone);
        }
    }

    /// Whether these are endpoints that those who wait do not know of. They need not be told one by one what becomes
    /// free: whatever does is offered to them first.
    pub(super) fn is_new(&mut self, endpoints: &Arc<Endpoints>) -> bool {
        let view = Arc::as_ptr(endpoints) as usize;
        std::mem::replace(&mut self.view, view) != view && !self.waiters.is_empty()
    }

    /// What there is at this endpoint, for those who wait.
    pub(super) fn offer_new(&mut self, endpoint: &Arc<Endpoint>) -> Vec<Offer<B>> {
        self.host_of(endpoint);
        self.offer(endpoint.key)
    }

    /// Waits at the end of the queue; `None` where it is full.
    pub(super) fn wait(
        &mut self,
        need: Need,
        tried: &Tried,
        ride: Option<Key>,
    ) -> Option<(u64, oneshot::Receiver<Told<B>>)> {
        if let Some(host) = ride.and_then(|key| self.host(key)) {
            host.riders += 1;
        } else if self.waiting < self.bounds.waiting {
            self.waiting += 1;
        } else {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let number = self.number();
        self.waiters.push_back(Waiter { number, need, tried: tried.clone(), ride, tell });
        Some((number, told))
    }

    /// Waits no more.
    pub(super) fn leave(&mut self, number: u64) {
        if let Ok(at) = self.waiters.binary_search_by_key(&number, |waiter| waiter.number) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Waiter<B>> {
        let waiter = self.waiters.remove(at)?;
        match waiter.ride {
            None => self.waiting = self.waiting.saturating_sub(1),
            Some(key) => {
                if let Some(host) = self.host(key) {
                    host.riders = host.riders.saturating_sub(1);
                }
            }
        }
        Some(waiter)
    }

    /// Something became free at this host: it is for those who wait, in their order.
    #[inline]
    pub(super) fn offer(&mut self, key: Key) -> Vec<Offer<B>> {
        if self.waiters.is_empty() { Vec::new() } else { self.offer_in_order(key) }
    }

    fn offer_in_order(&mut self, key: Key) -> Vec<Offer<B>> {
        let (bounds, mut offers, mut at, mut in_vain) = (self.bounds, Vec::new(), 0, Vec::new());
        while at < self.waiters.len() {
            let waiter = &self.waiters[at];
            let (need, is_for) = (waiter.need, !waiter.tried.contains(&key.number) && !waiter.tell.is_closed());
            at += 1;
            if !is_for || in_vain.contains(&need) {
                continue;
            }
            let Some(host) = self.host(key) else { break };
            let (taken, endpoint, gone) =
                (host.take(need, &bounds, false), Arc::clone(&host.endpoint), host.take_gone());
            self.gone.extend(gone);
            match taken {
                None | Some(Taken::Ride) => in_vain.push(need),
                Some(taken) => {
                    at -= 1;
                    offers.extend(self.remove(at).map(|waiter| (waiter.tell, endpoint, taken)));
                }
            }
        }
        offers
    }

    /// Those who wait for a connection that will not be: they share its fate.
    pub(super) fn riders(&mut self, key: Key) -> Vec<oneshot::Sender<Told<B>>> {
        let mut riders = Vec::new();
        while let Some(at) = self.waiters.iter().position(|waiter| waiter.ride == Some(key)) {
            riders.extend(self.remove(at).map(|waiter| waiter.tell));
        }
        riders
    }

    /// Lets go of what has been idle for too long. Returns when to come again, while anything is open.
    pub(super) fn sweep(&mut self) -> Option<Instant> {
        let limit = self.bounds.idle_limit;
        let later = Instant::now() + limit.min(LOOK_EVERY);
        let next = self.hosts.iter_mut().flatten().filter_map(|host| host.sweep(limit)).min();
        self.gone.extend(self.hosts.iter_mut().flatten().flat_map(Host::take_gone));
        for host in &mut self.hosts {
            let left = host.take_if(|host| host.endpoint.is_gone() && !host.is_open());
            self.gone.extend(left.into_iter().flat_map(Host::leave));
        }
        let is_open = self.hosts.iter().flatten().any(Host::is_open);
        is_open.then(|| next.map_or(later, |next| next.min(later)))
    }

    /// Connections that are busy, or being made, and that are idle.
    pub(super) fn connections(&self) -> (usize, usize) {
        let all = self.hosts.iter().flatten().map(Host::connections);
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Connections, idle ones of HTTP/1.1, streams, and who waits.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize, usize) {
        let all = self.hosts.iter().flatten().map(Host::counts);
        let (open, idle, streams) = all.fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
        (open, idle, streams, self.waiters.len())
    }
}
