//! How the endpoints of an upstream are just now, for whoever looks at them.
//!
//! Covers what is told of each, in which of three states it is, and the counts of these. Decides nothing: which endpoint
//! is called is for [`pick`](super::pick) alone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::cluster::Cluster;
use super::endpoint::Endpoint;
use crate::count;

/// How an endpoint is just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub address: String,
    /// The target that it belongs to.
    pub target: String,
    /// What it says when it is asked.
    pub health: Health,
    /// For how long it will still be left out; `None`: it is not.
    pub ejected_for: Option<Duration>,
    /// How often it was left out, without a long time of being well between.
    pub ejections: u32,
    /// Failures in a row. Those that had it left out are not among them.
    pub failures: u32,
    /// Connections of the pools to it, of all workers and with those that are being made.
    pub connections: usize,
}

/// What an endpoint says when it is asked for its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It was not asked, or has not answered yet.
    Unknown,
    /// That it is well, as often as it takes to be believed.
    Healthy,
    /// That it is not, or nothing.
    Unhealthy,
}

impl Status {
    fn of(endpoint: &Endpoint, target: String, now: Instant) -> Self {
        let vitals = &endpoint.vitals;
        let (ejected_for, ejections) = vitals.ejected(now);
        Self {
            address: endpoint.address.to_string(),
            target,
            health: vitals.health(),
            ejected_for,
            ejections,
            failures: vitals.failures(),
            connections: endpoint.connections.load(Ordering::Relaxed),
        }
    }
}

impl Cluster {
    /// How its endpoints are, in the order of its targets.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        let (now, endpoints) = (Instant::now(), self.endpoints());
        let mut order: Vec<_> = endpoints.iter().collect();
        order.sort_by_key(|endpoint| (endpoint.target, endpoint.key.number));
        let target = |endpoint: &Endpoint| self.settings().targets.get(endpoint.target).map(ToString::to_string);
        let status = |endpoint: &Endpoint| Status::of(endpoint, target(endpoint).unwrap_or_default(), now);
        order.into_iter().map(|endpoint| status(endpoint)).collect()
    }

    /// Counts how they are and what is open to them, and says which of them are called again. To be called every few seconds.
    pub(crate) fn measure(&self) {
        let (mut well, mut unhealthy, mut ejected) = (0, 0, 0);
        for endpoint in self.endpoints().iter() {
            let vitals = &endpoint.vitals;
            if vitals.has_returned(Instant::now()) {
                let upstream = &self.settings().name;
                // INFO: what was wrong has ended.
                tracing::info!(upstream, endpoint = %endpoint.name, "endpoint is called again");
            }
            // One that says that it is ill is left out for longer than one that has failed.
            let state = match (vitals.is_healthy(), vitals.is_ejected()) {
                (false, _) => &mut unhealthy,
                (true, true) => &mut ejected,
                (true, false) => &mut well,
            };
            *state += 1;
        }
        count::endpoints(&self.settings().name, [well, unhealthy, ejected]);
        self.pooled().measure();
    }

    /// Counts that there are none any more. Where the same upstream has another cluster, that has to be measured after
    /// this.
    pub(crate) fn unmeasure(&self) {
        count::endpoints(&self.settings().name, [0; 3]);
        self.pooled().unmeasure();
    }
}
