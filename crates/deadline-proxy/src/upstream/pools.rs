//! The connections of one worker to all upstreams, for as long as it lives.
//!
//! Covers which pool belongs to which cluster, and when it is forgotten. What the settings do not change keeps its
//! cluster, and so its connections. Does not close what is in use: whoever has a pool keeps it to its end.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cluster::Cluster;
use super::lease::Sent;
use super::pool::Pool;

/// The connections of one worker to all upstreams, whatever becomes of the settings. They live on the runtime that
/// sends the requests.
#[derive(Debug)]
pub struct Pools {
    workers: usize,
    /// By the place of the cluster in memory, where its pool keeps it. The type of the bodies is that of a stack of
    /// layers, which has no name.
    kept: Mutex<HashMap<usize, Box<dyn Any + Send>>>,
}

impl Pools {
    /// Those of one of so many workers: each has its share of the bounds.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self { workers, kept: Mutex::default() }
    }

    /// A pool for each of these clusters, in their order: the one that there is, or else a new one. Those of all other
    /// clusters are forgotten, and their idle connections are closed once nobody sends by them.
    pub(crate) fn of<B: Sent>(&self, clusters: &[Arc<Cluster>]) -> Vec<Pool<B>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = |cluster: &Arc<Cluster>| {
            let found = kept.get(&place(cluster)).and_then(|pool| pool.downcast_ref()).cloned();
            found.unwrap_or_else(|| Pool::new(Arc::clone(cluster), self.workers))
        };
        let pools: Vec<Pool<B>> = clusters.iter().map(pool).collect();
        let keep = |pool: &Pool<B>| (place(pool.cluster()), Box::new(pool.clone()) as Box<dyn Any + Send>);
        *kept = pools.iter().map(keep).collect();
        pools
    }
}

fn place(cluster: &Arc<Cluster>) -> usize {
    Arc::as_ptr(cluster) as usize
}
