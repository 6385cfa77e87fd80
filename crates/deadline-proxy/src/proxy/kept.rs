//! What one reading of the settings hands on to the next.
//!
//! Covers what is kept: an upstream of which nothing has changed, the retry budget of one whose budget is the same, and
//! how many requests and tunnels of a route are under way. By name, for that is what people take for the same. Looks,
//! and changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::Proxy;
use super::error::Error;
use super::tunnel::Tunnels;
use super::way::Way;
use crate::access::AccessLayer;
use crate::attempt::{Budget, Burden};
use crate::limits::TallyLayer;
use crate::upstream::{self, Cluster};

/// What there is to be kept.
#[derive(Debug, Default)]
pub(super) struct Kept<'a> {
    clusters: HashMap<&'a str, &'a Arc<Cluster>>,
    burdens: HashMap<&'a str, &'a Arc<Burden>>,
    ways: HashMap<&'a str, &'a Way>,
    pub(super) tunnels: Tunnels,
    pub(super) access: AccessLayer,
    pub(super) tally: TallyLayer,
}

impl<'a> Kept<'a> {
    pub(super) fn of(proxy: &'a Proxy) -> Self {
        Self {
            clusters: proxy.clusters.iter().map(|cluster| (cluster.settings().name.as_str(), cluster)).collect(),
            burdens: proxy.burdens.iter().map(|burden| (&**burden.name(), burden)).collect(),
            ways: proxy.routes.iter().map(|way| (way.name(), way)).collect(),
            tunnels: proxy.tunnels.clone(),
            access: proxy.access.clone(),
            tally: proxy.tally.clone(),
        }
    }

    /// That of these settings: with all that is known of its endpoints, where nothing has changed.
    pub(super) fn cluster(&self, settings: upstream::Settings) -> Result<Arc<Cluster>, upstream::Error> {
        match self.clusters.get(settings.name.as_str()) {
            Some(cluster) => cluster.succeeded_by(settings),
            None => Cluster::new(settings),
        }
    }

    pub(super) fn burden(&self, upstream: &str, budget: Budget) -> Result<Arc<Burden>, Error> {
        let kept = self.burdens.get(upstream).filter(|burden| burden.budget() == budget);
        Ok(match kept {
            Some(burden) => Arc::clone(burden),
            None => Arc::new(Burden::new(upstream, budget)?),
        })
    }

    pub(super) fn way(&self, route: &str) -> Option<&'a Way> {
        self.ways.get(route).copied()
    }
}

#[cfg(test)]
mod tests;
