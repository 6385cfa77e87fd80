//! Whoever is asked, and says nothing.
//!
//! Covers when silence is the endpoint's failure: the time of the request is up, no head has come, and the endpoint had
//! the whole request for a fair part of it. A machine that is gone, a process that is stopped and a hole in the network
//! refuse nothing, and would never be left out otherwise. What is fair is for the caller to say: one who asks for a
//! millisecond has found out nothing. Does not bound the wait.

use std::time::Duration;

use tokio::time::Instant;

use super::cluster::Cluster;
use super::endpoint::{Endpoint, Spoken};
use super::outgoing::Whole;

/// How long an endpoint is given for the head of its answer, as far as its silence says something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allotted {
    /// `None` where it may be silent for as long as it likes.
    until: Option<Instant>,
    fair: Duration,
}

impl Allotted {
    /// It has failed if the request is given up from `until` on, and it had the whole of it for at least `fair` by then.
    #[must_use]
    pub fn until(until: std::time::Instant, fair: Duration) -> Self {
        Self { until: Some(Instant::from_std(until)), fair }
    }

    fn is_spent(&self, since: Instant, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until) && now.saturating_duration_since(since) >= self.fair
    }
}

/// A request that was sent. To drop it is to give it up.
pub(super) struct Silence<'a> {
    cluster: &'a Cluster,
    endpoint: &'a Endpoint,
    version: Spoken,
    allotted: Allotted,
    body: &'a Whole,
    /// `None` where silence says nothing, and once it has ended.
    since: Option<Instant>,
}

impl<'a> Silence<'a> {
    pub(super) fn of(
        cluster: &'a Cluster,
        (endpoint, version): (&'a Endpoint, Spoken),
        allotted: Allotted,
        body: &'a Whole,
    ) -> Self {
        Self { cluster, endpoint, version, allotted, body, since: allotted.until.map(|_| Instant::now()) }
    }

    /// It has said something, or broken off.
    pub(super) fn end(mut self) {
        self.since = None;
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let Some(sent) = self.since else { return };
        // Whoever waits for the rest of a request may well be silent.
        let Some(since) = self.body.since(sent) else { return };
        if self.allotted.is_spent(since, Instant::now()) && self.endpoint.should_speak(self.version) {
            self.cluster.failed(self.endpoint);
        }
    }
}
