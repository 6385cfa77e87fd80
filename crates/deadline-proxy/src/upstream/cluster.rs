//! The endpoints of an upstream, shared by all workers.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;
use http::uri::Authority;

use super::endpoint::{Address, Endpoint, Key, Origin};
use super::tls::{Connectors, server_name};
use super::{Error, Settings, Target};

pub(super) type Endpoints = Vec<Arc<Endpoint>>;

/// The endpoints of an upstream: where they are, and how they are.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    /// `None` where no target speaks TLS.
    tls: Option<Connectors>,
    endpoints: ArcSwap<Endpoints>,
}

impl Cluster {
    /// Reads and verifies what the settings name. Calls nobody.
    ///
    /// # Errors
    ///
    /// The setting or the file that cannot be, and what is expected.
    pub fn new(settings: Settings) -> Result<Arc<Self>, Error> {
        settings.validate()?;
        let tls = Connectors::new(&settings)?;
        let mut endpoints = Vec::new();
        for target in &settings.targets {
            let origin = Arc::new(origin(&settings, target)?);
            if matches!(target, Target::Host { .. }) && target.literal().is_none() {
                let expected = "http[s]://IP[:PORT] or unix:/PATH is expected: names are not supported yet";
                return Err(Error::invalid(&settings, "targets", expected));
            }
            if let Some(address) = address(target) {
                let key = Key { place: endpoints.len(), number: endpoints.len() as u64 };
                endpoints.push(Arc::new(Endpoint::new(key, address, origin)));
            }
        }
        Ok(Arc::new(Self { settings, tls, endpoints: ArcSwap::from_pointee(endpoints) }))
    }

    #[cfg(test)]
    pub(super) fn scripted(settings: Settings, peers: impl IntoIterator<Item = super::tests::Peer>) -> Arc<Self> {
        let target = "http://peer.example".parse().unwrap();
        let origin = Arc::new(origin(&settings, &target).unwrap());
        let endpoint = |(place, peer)| {
            let key = Key { place, number: place as u64 };
            Arc::new(Endpoint::new(key, Address::Scripted(peer), Arc::clone(&origin)))
        };
        let endpoints: Endpoints = peers.into_iter().enumerate().map(endpoint).collect();
        Arc::new(Self { settings, tls: None, endpoints: ArcSwap::from_pointee(endpoints) })
    }

    #[cfg(test)]
    pub(super) fn add(&self, peer: super::tests::Peer) {
        let mut endpoints = Endpoints::clone(&self.endpoints());
        let key = Key { place: endpoints.len(), number: endpoints.len() as u64 };
        endpoints.push(Arc::new(Endpoint::new(key, Address::Scripted(peer), Arc::clone(&endpoints[0].origin))));
        self.endpoints.store(Arc::new(endpoints));
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn tls(&self) -> Option<&Connectors> {
        self.tls.as_ref()
    }

    pub(super) fn endpoints(&self) -> Guard<Arc<Endpoints>> {
        self.endpoints.load()
    }
}

fn address(target: &Target) -> Option<Address> {
    match target {
        Target::Unix(path) => Some(Address::Unix(path.clone())),
        Target::Host { .. } => target.literal().map(Address::Tcp),
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
