//! The endpoints of an upstream, shared by all workers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::future::join_all;
use http::HeaderValue;
use http::uri::Authority;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::endpoint::{Address, Endpoint, Key, Origin};
use super::health;
use super::names::{Named, Resolve, System, Unresolved, late};
use super::pems::Pems;
use super::pooled::Pooled;
use super::stand_in::StandIn;
use super::telling::Telling;
use super::tls::{Connectors, server_name};
use super::{Error, SendError, Settings, Target};
use crate::count;

pub(super) type Endpoints = Vec<Arc<Endpoint>>;

/// The endpoints of an upstream: where they are, and how they are.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    /// That of the settings, for what is noted of each request.
    name: Arc<str>,
    /// None where no target speaks TLS.
    pems: Pems,
    /// `None` where no target speaks TLS.
    tls: Option<Connectors>,
    /// By target.
    origins: Vec<Arc<Origin>>,
    /// Targets that are no addresses.
    names: Vec<Named>,
    resolver: Box<dyn Resolve>,
    endpoints: ArcSwap<Endpoints>,
    pooled: Pooled,
    /// Held while the endpoints change.
    places: Mutex<Places>,
}

/// Which places of the pools are taken.
#[derive(Debug, Default)]
struct Places {
    free: Vec<usize>,
    taken: usize,
    next: u64,
}

impl Places {
    fn key(&mut self) -> Key {
        let place = self.free.pop().unwrap_or(self.taken);
        self.taken = self.taken.max(place + 1);
        self.next += 1;
        Key { place, number: self.next }
    }
}

impl Cluster {
    /// Reads and verifies what the settings name. Calls nobody: names are asked for by [`tend`](Self::tend), or by the
    /// first request.
    ///
    /// # Errors
    ///
    /// The setting or the file that cannot be, and what is expected.
    pub fn new(settings: Settings) -> Result<Arc<Self>, Error> {
        Self::with(settings, Box::new(System))
    }

    /// The same, but nobody is ever called: `stand_in` is connected to in the place of each target.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub(crate) fn stood_in_for(settings: Settings, stand_in: &StandIn) -> Result<Arc<Self>, Error> {
        let place = |target: &Target| Some(Address::StandIn(target.place(), stand_in.clone()));
        Self::placed(settings, Box::new(System), place)
    }

    pub(super) fn with(settings: Settings, resolver: Box<dyn Resolve>) -> Result<Arc<Self>, Error> {
        Self::placed(settings, resolver, address)
    }

    /// What `place` gives no address has to be asked for.
    fn placed(
        settings: Settings,
        resolver: Box<dyn Resolve>,
        place: impl Fn(&Target) -> Option<Address>,
    ) -> Result<Arc<Self>, Error> {
        settings.validate()?;
        let is_tls = settings.targets.iter().any(Target::is_tls);
        let pems = if is_tls { Pems::read(&settings.tls) } else { Ok(Pems::default()) };
        let pems = pems.map_err(|detail| Error::Tls { name: settings.name.clone(), detail })?;
        let tls = Connectors::new(&settings, &pems)?;
        let origins = settings.targets.iter().map(|target| origin(&settings, target).map(Arc::new));
        let origins = origins.collect::<Result<_, _>>()?;
        let targets = settings.targets.iter().enumerate();
        let names = targets.filter(|(_, target)| place(target).is_none()).filter_map(|(at, target)| named(at, target));
        let names = names.collect();
        let (endpoints, places) = (ArcSwap::default(), Mutex::default());
        let pooled = Pooled::new(&settings.name);
        let name = settings.name.as_str().into();
        let cluster = Self { settings, name, pems, tls, origins, names, resolver, endpoints, pooled, places };
        for (at, target) in cluster.settings.targets.iter().enumerate() {
            if let Some(address) = place(target) {
                cluster.replace(at, vec![address]);
            }
        }
        Ok(Arc::new(cluster))
    }

    /// That of these settings: the same, where they are the same and what stands in the PEM files is.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub(crate) fn succeeded_by(self: &Arc<Self>, settings: Settings) -> Result<Arc<Self>, Error> {
        let is_same = self.settings == settings && self.has_its_pems();
        if is_same { Ok(Arc::clone(self)) } else { Self::new(settings) }
    }

    /// Whether what stands in its PEM files is what it uses.
    fn has_its_pems(&self) -> bool {
        self.pems == Pems::default() || Pems::read(&self.settings.tls).is_ok_and(|pems| pems == self.pems)
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it is called.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Keeps it up to date, in the background of one runtime: asks for names again, and endpoints for their health.
    /// Returns at once where there is nothing to do, and else never. Dropping it leaves everything as it is.
    pub async fn tend(self: Arc<Self>) {
        let resolving = async {
            if !self.names.is_empty() {
                self.keep_resolving().await;
            }
        };
        let checking = async {
            if let Some(health) = &self.settings.health {
                health::check(&self, health).await;
            }
        };
        tokio::join!(resolving, checking);
    }

    async fn keep_resolving(&self) {
        let mut ticks = interval(self.settings.resolve_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whoever starts may have asked just now.
        let mut due: Vec<_> = self.unasked().collect();
        loop {
            ticks.tick().await;
            for name in due {
                if let Err(error) = self.resolve(name).await {
                    // Whoever answered may be wrong for a while: the addresses that are known go on being called.
                    let (upstream, host) = (&self.settings.name, &name.host);
                    // WARN: the addresses get old, and nobody asks anew but us.
                    tracing::warn!(upstream, host, %error, "name was asked for in vain; its addresses stay as they were");
                }
            }
            due = self.names.iter().collect();
        }
    }

    fn unasked(&self) -> impl Iterator<Item = &Named> {
        self.names.iter().filter(|name| !name.is_asked())
    }

    /// Asks for every name that nobody has asked for yet, all at once, and waits for each no longer than `limit` and the
    /// limit of connecting. Returns those that have no address. Dropping the future leaves the questions to the next
    /// who asks.
    pub(crate) async fn resolve_unasked(&self, limit: Duration) -> Vec<Unresolved> {
        let ask = |name| async move {
            let answer = timeout(limit, self.resolve(name)).await;
            let why = answer.unwrap_or_else(|_| Err(Arc::new(late(limit)))).err()?.to_string();
            Some(Unresolved { upstream: self.settings.name.clone(), host: name.host.clone(), why })
        };
        join_all(self.unasked().map(ask)).await.into_iter().flatten().collect()
    }

    async fn resolve(&self, name: &Named) -> Result<(), Arc<std::io::Error>> {
        let found = |addresses: &[SocketAddr]| {
            self.replace(name.target, addresses.iter().copied().map(Address::Tcp).collect());
        };
        name.ask(&*self.resolver, self.settings.connect_limit, found).await
    }

    /// Asks for names until one has an address; for a request that has nowhere to go.
    pub(super) async fn locate<E>(&self, telling: &Telling) -> Result<(), SendError<E>> {
        let mut failed = Err(SendError::NoEndpoint { upstream: self.settings.name.clone() });
        for name in &self.names {
            match telling.resolving(&name.host, self.resolve(name)).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let source = std::io::Error::new(error.kind(), error.to_string());
                    failed = Err(SendError::Resolve { host: name.host.clone(), source });
                }
            }
        }
        failed
    }

    /// These are the addresses of this target now. Endpoints that stay are the same ones, with all that is known of
    /// them.
    fn replace(&self, target: usize, mut addresses: Vec<Address>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.endpoints.load_full();
        let mut after = Endpoints::with_capacity(before.len());
        for endpoint in before.iter() {
            let place = addresses.iter().position(|address| *address == endpoint.address);
            if endpoint.target == target && place.is_none() {
                endpoint.leave();
                places.free.push(endpoint.key.place);
                continue;
            }
            if endpoint.target == target {
                addresses.retain(|address| *address != endpoint.address);
            }
            after.push(Arc::clone(endpoint));
        }
        let is_same = addresses.is_empty() && after.len() == before.len();
        while let Some(address) = addresses.pop() {
            addresses.retain(|other| *other != address);
            let origin = Arc::clone(&self.origins[target]);
            after.push(Arc::new(Endpoint::new(places.key(), target, address, origin)));
        }
        if !is_same {
            self.endpoints.store(Arc::new(after));
        }
    }

    /// An endpoint has failed a request. Enough of that, and it is left out for a while, unless too many are.
    pub(super) fn failed(&self, endpoint: &Endpoint) {
        let ejection = &self.settings.ejection;
        if !endpoint.vitals.failed(ejection) {
            return;
        }
        let _one_at_a_time = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = self.endpoints.load();
        let ejected = endpoints.iter().filter(|endpoint| endpoint.vitals.is_ejected()).count();
        if endpoint.vitals.is_ejected() || (ejected + 1) as f64 > ejection.max_share * endpoints.len() as f64 {
            return;
        }
        let length = endpoint.vitals.eject(ejection, Instant::now());
        let upstream = &self.settings.name;
        count::ejected(upstream);
        // WARN: there is one endpoint less.
        tracing::warn!(upstream, endpoint = %endpoint.name, ?length, "endpoint fails, and is left out");
    }

    pub(super) fn tls(&self) -> Option<&Connectors> {
        self.tls.as_ref()
    }

    pub(super) fn pooled(&self) -> &Pooled {
        &self.pooled
    }

    pub(super) fn endpoints(&self) -> Guard<Arc<Endpoints>> {
        self.endpoints.load()
    }

    #[cfg(test)]
    pub(super) fn scripted(settings: Settings, peers: impl IntoIterator<Item = super::tests::Peer>) -> Arc<Self> {
        let settings = Settings { targets: vec!["http://127.0.0.1".parse().unwrap()], ..settings };
        let mut cluster = Arc::into_inner(Self::with(settings, Box::new(System)).unwrap()).unwrap();
        let target = "http://peer.example".parse().unwrap();
        cluster.origins = vec![Arc::new(origin(&cluster.settings, &target).unwrap())];
        cluster.exchange(peers);
        Arc::new(cluster)
    }

    #[cfg(test)]
    pub(super) fn exchange(&self, peers: impl IntoIterator<Item = super::tests::Peer>) {
        self.replace(0, peers.into_iter().map(Address::Scripted).collect());
    }

    #[cfg(test)]
    pub(super) fn add(&self, peer: super::tests::Peer) {
        let mut addresses: Vec<_> = self.endpoints().iter().map(|endpoint| endpoint.address.clone()).collect();
        addresses.push(Address::Scripted(peer));
        self.replace(0, addresses);
    }
}

fn address(target: &Target) -> Option<Address> {
    match target {
        Target::Unix(path) => Some(Address::Unix(path.clone())),
        Target::Host { .. } => target.literal().map(Address::Tcp),
    }
}

fn named(at: usize, target: &Target) -> Option<Named> {
    match target {
        Target::Host { host, port, .. } if target.literal().is_none() => Some(Named::new(at, host.clone(), *port)),
        _ => None,
    }
}

fn origin(settings: &Settings, target: &Target) -> Result<Origin, Error> {
    let invalid = || Error::invalid(settings, "targets", "a host that can stand in a URL is expected");
    let text = target.authority();
    let authority: Authority = text.parse().map_err(|_| invalid())?;
    let host = HeaderValue::try_from(text).map_err(|_| invalid())?;
    let tls = match target {
        Target::Host { tls: true, host, .. } => Some(server_name(&settings.tls, host).ok_or_else(|| {
            let expected = "a name that a certificate can be for is expected";
            Error::invalid(settings, if settings.tls.name.is_some() { "tls.name" } else { "targets" }, expected)
        })?),
        _ => None,
    };
    Ok(Origin { authority, host, tls })
}
