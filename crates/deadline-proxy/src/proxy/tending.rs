//! What goes on beside the traffic: names are asked for again, endpoints for their health, and all of it is measured.
//!
//! Covers when that begins and ends for each upstream, whatever generations of settings come and go: what stays is not
//! disturbed. Does not do it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;

use super::Proxy;
use crate::attempt::{Burden, MEASURED_EVERY};
use crate::upstream::Cluster;

#[derive(Debug, Default)]
struct Measured {
    clusters: Vec<Arc<Cluster>>,
    burdens: Vec<Arc<Burden>>,
}

impl Measured {
    /// These are measured from here on.
    fn follow(&mut self, proxy: &Proxy) {
        // What is not there any more is not to be counted for ever.
        let is_gone = |cluster: &&Arc<Cluster>| !proxy.clusters.iter().any(|other| Arc::ptr_eq(cluster, other));
        self.clusters.iter().filter(is_gone).for_each(|cluster| cluster.unmeasure());
        let is_gone = |burden: &&Arc<Burden>| !proxy.burdens.iter().any(|other| Arc::ptr_eq(burden, other));
        self.burdens.iter().filter(is_gone).for_each(|burden| burden.unmeasure());
        (self.clusters, self.burdens) = (proxy.clusters.clone(), proxy.burdens.clone());
        self.clusters.iter().for_each(|cluster| cluster.measure());
    }

    fn measure(&self) {
        self.clusters.iter().for_each(|cluster| cluster.measure());
        self.burdens.iter().for_each(|burden| burden.measure());
    }
}

/// What is done for the upstreams of a proxy in the background. Dropping it ends that.
#[derive(Debug, Default)]
pub struct Tending {
    clusters: Vec<(Arc<Cluster>, AbortOnDropHandle<()>)>,
    measured: Arc<Mutex<Measured>>,
    /// `None` until there is something to measure. Its ticks go on from one proxy to the next: how long a period is does
    /// not depend on who reloads, and how often.
    measuring: Option<AbortOnDropHandle<()>>,
}

impl Tending {
    /// Does it for the upstreams of this proxy from here on, and for no others. To be called within a runtime, where it
    /// is done.
    pub fn follow(&mut self, proxy: &Proxy) {
        let mut before = std::mem::take(&mut self.clusters);
        let tend = |cluster: &Arc<Cluster>| {
            let found = before.iter().position(|(tended, _)| Arc::ptr_eq(tended, cluster));
            let begin = || AbortOnDropHandle::new(tokio::spawn(Arc::clone(cluster).tend()));
            let found = found.map(|at| before.swap_remove(at));
            found.unwrap_or_else(|| (Arc::clone(cluster), begin()))
        };
        self.clusters = proxy.clusters.iter().map(tend).collect();
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).follow(proxy);
        let measured = &self.measured;
        self.measuring
            .get_or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(measure(Arc::clone(measured)))));
    }
}

async fn measure(measured: Arc<Mutex<Measured>>) {
    let mut ticks = interval(MEASURED_EVERY);
    loop {
        ticks.tick().await;
        measured.lock().unwrap_or_else(PoisonError::into_inner).measure();
    }
}
