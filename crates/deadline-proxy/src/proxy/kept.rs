//! What one reading of the settings hands on to the next.
//!
//! Covers what is kept: an upstream of which nothing has changed, the retry budget of one whose budget is the same, and
//! how many requests and tunnels of a route are under way. By name, for that is what people take for the same; a route
//! that was given none is the same where it matches the same. Looks, and changes nothing.

use std::collections::HashMap;
use std::iter::repeat;
use std::sync::Arc;

use super::Proxy;
use super::error::Error;
use super::tunnel::Tunnels;
use super::way::Way;
use crate::access::AccessLayer;
use crate::attempt::{Budget, Burden};
use crate::limits::TallyLayer;
use crate::route::{Matches, Named, Route};
use crate::upstream::{self, Cluster};

/// What there is to be kept.
#[derive(Debug, Default)]
pub(super) struct Kept<'a> {
    clusters: HashMap<&'a str, &'a Arc<Cluster>>,
    burdens: HashMap<&'a str, &'a Arc<Burden>>,
    /// By the name that was given, if any, and what they match: those of a route that is made for each of its hosts have
    /// one name.
    ways: HashMap<(Option<&'a str>, &'a Matches), &'a Way>,
    /// By the name that was given, where one has it, and one goes on with it.
    named: HashMap<&'a str, &'a Way>,
    pub(super) tunnels: Tunnels,
    pub(super) access: AccessLayer,
    pub(super) tally: TallyLayer,
}

impl<'a> Kept<'a> {
    /// What there is for these routes.
    pub(super) fn of(proxy: &'a Proxy, routes: &'a [Route]) -> Self {
        let (ways, after) = (proxy.routes.iter(), routes.iter().filter_map(given));
        let (before, after) =
            (once(ways.clone().filter_map(|way| Some((way.given()?, way)))), once(after.zip(repeat(()))));
        Self {
            clusters: proxy.clusters.iter().map(|cluster| (cluster.settings().name.as_str(), cluster)).collect(),
            burdens: proxy.burdens.iter().map(|burden| (&**burden.name(), burden)).collect(),
            ways: ways.map(|way| ((way.given(), way.matches()), way)).collect(),
            named: before.into_iter().filter(|(name, _)| after.contains_key(name)).collect(),
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

    pub(super) fn way(&self, route: &Route) -> Option<&'a Way> {
        let name = given(route);
        let kept = self.ways.get(&(name, &route.matches)).or_else(|| self.named.get(name?));
        kept.copied()
    }
}

/// The name that it was given.
fn given(route: &Route) -> Option<&str> {
    (route.named == Named::Given).then_some(route.name.as_str())
}

/// What has a name that nothing else has.
fn once<'a, T>(named: impl Iterator<Item = (&'a str, T)>) -> HashMap<&'a str, T> {
    let mut found: HashMap<_, Option<T>> = HashMap::new();
    for (name, one) in named {
        let is_first = !found.contains_key(name);
        found.insert(name, Some(one).filter(|_| is_first));
    }
    found.into_iter().filter_map(|(name, one)| Some((name, one?))).collect()
}

#[cfg(test)]
mod tests;
