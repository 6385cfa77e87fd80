//! Clients that write what they like: what is counted of them stays bounded, and so does memory.
//!
//! `DEADLINE_HOSTILE_REQUESTS` says how many requests; `cargo xtask suites hostile` sends a million. The first quarter of
//! them is the measure of the others: buffers and series that it makes are there once and for all.

mod client;
mod words;

use std::env;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::task::JoinSet;

use self::client::{Met, http1, http2};
use super::counts::{Table, proxy, scrape, series};
use crate::support::{Proxy, Server, body};

/// What a continuous check has the time for.
const SHORT: usize = 20_000;
const CLIENTS: usize = 8;

/// More than this is left behind by somebody: what a million requests would leave, if each left 16 bytes.
const GROWTH: u64 = 16 << 20;

/// What appears with its first event, and not before: it is bounded by its labels.
const BY_EVENT: [&str; 4] =
    ["deadline_exceeded_total", "deadline_would_", "deadline_proxy_refusals_total", "deadline_invalid_total"];

const ROUTES: &str = r#"
[policy.default]
timeout = "2s"
[policy.trial]
timeout = "2s"
mode = "observe"
[policy.lenient]
timeout = "2s"
on_invalid = "ignore"

[[route]]
name = "shop"
prefix = "/shop"
upstream = "shop"

[[route]]
name = "trial"
prefix = "/trial"
upstream = "shop"
policy = "trial"

[[route]]
name = "lenient"
host = "*.lenient.example"
upstream = "shop"
policy = "lenient"
"#;

const NAMES: [&str; 8] = ["default", "trial", "lenient", "none", "shop", "main", "worker-0", "worker-1"];

fn how_many() -> usize {
    let Ok(number) = env::var("DEADLINE_HOSTILE_REQUESTS") else { return SHORT };
    let number = number.parse().ok().filter(|number| *number >= SHORT);
    number.expect("DEADLINE_HOSTILE_REQUESTS is a whole number, 20000 at least")
}

/// So many requests, by all clients at the same time; what they met.
async fn storm(proxy: &Proxy, round: usize, requests: usize) -> Met {
    let mut crowd = JoinSet::new();
    for client in 0..CLIENTS {
        let (address, seed, each) = (proxy.address, round * CLIENTS + client, requests / CLIENTS);
        // One of them speaks HTTP/2.
        if client == 0 {
            crowd.spawn(http2(address, seed, each));
        } else {
            crowd.spawn(http1(address, seed, each));
        }
    }
    let mut met = Met::default();
    crowd.join_all().await.into_iter().for_each(|other| met.add(&other));
    met
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_clients_write_the_label_set_is_bounded_and_memory_flat() {
    let requests = how_many();
    let upstream = Server::answering(|_: Request<Incoming>| async { Response::new(body(Full::from("ok"))) }).await;
    let proxy = proxy(&[("shop", upstream.address)], ROUTES).await;
    let mut met = storm(&proxy, 0, requests / 4).await;
    let (before, held) = (series(&scrape(&proxy).await), proxy.program.resident());
    for round in 1..4 {
        met.add(&storm(&proxy, round, requests / 4).await);
    }
    let (after, holds) = (series(&scrape(&proxy).await), proxy.program.resident());

    let table = Table::read();
    let is_event = |family: &str| BY_EVENT.iter().any(|event| family.starts_with(event));
    let unknown: Vec<_> = after.iter().filter_map(|series| table.complaint(series, &NAMES)).collect();
    let new: Vec<_> = after.difference(&before).filter(|series| !is_event(&series.family)).collect();
    let is_flat = holds < held + GROWTH;
    let figures = format!("{} after a quarter of {requests}, {} at the end", before.len(), after.len());
    report("the label set is bounded", unknown.is_empty() && new.is_empty(), &figures);
    let figures = format!("{:.1} MiB after a quarter, {:.1} MiB at the end", mib(held), mib(holds));
    report("memory is flat", is_flat, &figures);
    report("each kind of answer was met", met.has_all(), &met.to_string());
    assert_eq!((unknown, new), (Vec::new(), Vec::new()));
    assert!(is_flat, "{figures}");
    assert!(met.has_all(), "a storm that shows less than it should: {met}");
    // Whoever is well-behaved is served as before.
    assert_eq!(crate::support::curl(&[&proxy.url("/shop/a")]).await.status, 200);
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A line of the table that `cargo xtask suites` makes, with tabs between.
fn report(name: &str, is_good: bool, figures: &str) {
    println!("{}\t{name}\t{figures}", if is_good { "ok" } else { "FAILED" });
}
