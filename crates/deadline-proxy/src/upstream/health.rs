//! Asking endpoints how they are.
//!
//! Covers the question, over a connection of its own, and when an answer changes the verdict. An endpoint that was not
//! asked yet is well.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::cluster::Cluster;
use super::connect::{Established, establish};
use super::endpoint::Endpoint;
use super::form::{self, Need};
use super::settings::{HealthCheck, Protocol};
use super::telling::{Steps, Telling};
use crate::count;

/// Asks every endpoint, again and again.
pub(super) async fn check(cluster: &Arc<Cluster>, health: &HealthCheck) {
    let mut ticks = interval(health.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows: HashMap<u64, Row> = HashMap::new();
    loop {
        ticks.tick().await;
        let mut asked = JoinSet::new();
        for endpoint in cluster.endpoints().iter() {
            let (cluster, endpoint) = (Arc::clone(cluster), Arc::clone(endpoint));
            asked.spawn(async move { (ask(&cluster, &endpoint).await, endpoint) });
        }
        let mut seen = HashMap::with_capacity(rows.len());
        while let Some(answered) = asked.join_next().await {
            // A task that panicked has said nothing.
            let Ok((is_well, endpoint)) = answered else { continue };
            endpoint.vitals.set_asked();
            let mut row = rows.remove(&endpoint.key.number).unwrap_or_default();
            if row.changes(is_well, &endpoint, health) {
                tell(cluster, &endpoint, is_well);
            }
            seen.insert(endpoint.key.number, row);
        }
        // What is gone is forgotten.
        rows = seen;
    }
}

fn tell(cluster: &Cluster, endpoint: &Endpoint, is_well: bool) {
    endpoint.vitals.set_healthy(is_well);
    let (upstream, verdict) = (&cluster.settings().name, if is_well { "healthy" } else { "unhealthy" });
    count::health_changed(upstream, verdict);
    if is_well {
        // INFO: what was wrong has ended.
        tracing::info!(upstream, endpoint = %endpoint.name, "endpoint is {verdict}");
    } else {
        // WARN: there is one endpoint less.
        tracing::warn!(upstream, endpoint = %endpoint.name, "endpoint is {verdict}");
    }
}

/// Answers in a row that say otherwise than the verdict.
#[derive(Debug, Default)]
struct Row(u32);

impl Row {
    fn changes(&mut self, is_well: bool, endpoint: &Endpoint, health: &HealthCheck) -> bool {
        if is_well == endpoint.vitals.is_healthy() {
            self.0 = 0;
            return false;
        }
        self.0 += 1;
        self.0 >= if is_well { health.successes } else { health.failures }
    }
}

/// Whether the answer came in time, and was a 2xx.
async fn ask(cluster: &Cluster, endpoint: &Endpoint) -> bool {
    let Some(health) = &cluster.settings().health else { return true };
    let answered = timeout(health.limit, status(cluster, endpoint, &health.path)).await;
    answered.ok().flatten().is_some_and(|status| status.is_success())
}

async fn status(cluster: &Cluster, endpoint: &Endpoint, path: &str) -> Option<StatusCode> {
    let need = match cluster.settings().http {
        Protocol::Http1 => Need::Http1,
        Protocol::Http2 => Need::Http2,
        Protocol::Auto => Need::Either,
    };
    let agent = HeaderValue::from_static(concat!("deadline-proxy/", env!("CARGO_PKG_VERSION")));
    let mut request = Request::get(path).header(USER_AGENT, agent).body(Empty::<Bytes>::new()).ok()?;
    let untold = Telling::default();
    match establish(cluster, endpoint, need, &mut Steps::of(&untold)).await.ok()? {
        Established::Http1(mut conn) => {
            form::http1(&mut request, endpoint);
            conn.begin(&request);
            let head = poll_fn(|cx| conn.poll_head::<Empty<Bytes>>(cx, &mut None, drop)).await;
            head.ok().map(|head| head.status())
        }
        // The connection ends with its sender, when this is done or dropped.
        Established::Http2(mut sender, link) => {
            tokio::spawn(link);
            form::http2(&mut request, endpoint);
            let (head, _) = sender.begin(request.map(drop), true).ok()?;
            head.await.ok().map(|head| head.status())
        }
    }
}
