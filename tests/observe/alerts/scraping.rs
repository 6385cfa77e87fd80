//! A Prometheus that scrapes a proxy and a service with a database while requests expire there: what the dashboard asks
//! for has an answer, and the alert fires.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use deadline_sql::deadpool_postgres::Pool;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;
use tower_deadline::{DeadlineLayer, Policy};

use super::dashboard::shown;
use super::promql::names;
use super::{Prometheus, RULES, text};
use crate::sql::support::Database;
use crate::support::{MS, Place, Proxy, Upstream, soon};

/// What this run makes none of, and why.
const NONE: [(&str, &str); 19] = [
    ("deadline_cancellations_total", "no code cancels a scope"),
    ("deadline_local_limits_total", "no call has a limit of its own"),
    ("deadline_lost_total", "no layer loses a deadline"),
    ("deadline_proxy_accept_failures_total", "there are descriptors enough"),
    ("deadline_proxy_access_log_dropped_total", "there is no access log"),
    ("deadline_proxy_ejections_total", "the only endpoint of an upstream stays"),
    ("deadline_proxy_hand_overs_total", "nothing takes over"),
    ("deadline_proxy_health_changes_total", "nobody is asked"),
    ("deadline_proxy_interim_dropped_total", "there are no interim answers"),
    ("deadline_proxy_pool_wait_seconds", "there are connections enough"),
    ("deadline_proxy_refusals_total", "every request is taken by a route"),
    ("deadline_proxy_requests_stopped_total", "nothing stops"),
    ("deadline_proxy_spans_", "nothing is traced"),
    ("deadline_proxy_trailers_dropped_total", "there are no trailers"),
    ("deadline_proxy_tunnels_", "there are no tunnels"),
    ("deadline_sql_unsettled_total", "every connection comes to rest"),
    ("deadline_tasks_aborted_total", "no handler spawns"),
    ("deadline_would_refuse_total", "no request to the observing policy is late at arrival"),
    ("deadline_would_withhold_total", "no call of the observing policy has nothing left"),
];

/// How long the requests go on at most: many times what Prometheus takes to see them.
const LIMIT: Duration = Duration::from_secs(90);

const SECONDS: [f64; 6] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0];

const ROUTES: &str = r#"
[policy.default]
timeout = "2s"

[policy.retried]
timeout = "2s"
retries = 2
backoff = "1ms"

[policy.observed]
timeout = "20ms"
mode = "observe"

[[route]]
name = "files"
upstream = "files"

[[route]]
name = "orders"
prefix = "/sleep"
upstream = "orders"

[[route]]
name = "dead"
prefix = "/dead"
upstream = "dead"
policy = "retried"

[[route]]
name = "observed"
prefix = "/text"
upstream = "files"
policy = "observed"
"#;

/// A service whose handler sleeps in a database for longer than it has. It counts into the recorder of this thread.
async fn service(database: &Database, told: impl Fn() -> String + Clone + Send + Sync + 'static) -> SocketAddr {
    let pool = Pool::builder(database.config(), NoTls).max_size(2).build().expect("a pool needs nothing more");
    let sleep = async move || {
        let slept = async { pool.get().await.ok()?.query_one("SELECT pg_sleep(5)", &[]).await.ok() };
        slept.await.map_or(StatusCode::GATEWAY_TIMEOUT, |_| StatusCode::OK)
    };
    let app = Router::new()
        .route("/sleep", get(sleep))
        .layer(DeadlineLayer::new(Policy::new().default_timeout(200 * MS)))
        .route("/metrics", get(async move || told()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Gets this, as often as its fragment says, which is not sent, and does not look at what comes.
async fn ask(arguments: &[&str], url: &str) {
    let mut command = Command::new("curl");
    command
        .args(["-q", "--silent", "--noproxy", "*", "--max-time", "10", "--output", "/dev/null"])
        .args(arguments);
    command.arg(url).stdin(Stdio::null()).kill_on_drop(true);
    // Some of it is refused, and some has no answer.
    let _ = soon("curl", command.status()).await.expect("curl can be run");
}

/// Some of everything.
async fn requests(proxy: &Proxy) {
    let short = ["-H", "X-Request-Timeout: 20ms"];
    ask(&[], &proxy.url("/#[1-60]")).await;
    ask(&short, &proxy.url("/never#[1-20]")).await;
    ask(&short, &proxy.url("/text#[1-2]")).await;
    ask(&["-H", "X-Request-Timeout: 100ms"], &proxy.url("/sleep#[1-3]")).await;
    ask(&["-H", "X-Request-Timeout: 1h"], &proxy.url("/#[1-3]")).await;
    ask(&["-H", "X-Request-Timeout: soon"], &proxy.url("/#[1-3]")).await;
    ask(&[], &proxy.url("/dead#[1-3]")).await;
}

/// The rules, with what they wait for shortened: what they wait for is tested by `rules.test.yml`.
fn hurried(rules: &str) -> String {
    let hurried = rules.lines().map(|line| match line.split_once(": ") {
        Some((key @ "        for", _)) => format!("{key}: 1s"),
        Some((key @ "    interval", _)) => format!("{key}: 500ms"),
        _ => line.to_owned(),
    });
    hurried.collect::<Vec<_>>().join("\n")
}

/// What the dashboard would show as empty, but for what this run makes none of.
async fn empty(prometheus: &Prometheus) -> Vec<String> {
    let mut empty = Vec::new();
    for shown in shown() {
        let excused = names(&shown.expression)
            .selected
            .iter()
            .any(|(name, _)| NONE.iter().any(|(none, _)| name.starts_with(none)));
        if !excused && !prometheus.values(&shown.expression).await.iter().any(|value| value.is_finite()) {
            empty.push(format!("{}: {}", shown.panel, shown.expression));
        }
    }
    empty
}

#[tokio::test]
async fn what_the_dashboard_asks_for_is_there_and_the_burning_budget_is_told() {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS).unwrap().build_recorder();
    let told = recorder.handle();
    // Of this thread, which is all of this test's runtime.
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (database, files, dead) = (Database::new().await, Upstream::start().await, Place::take());
    let orders = service(&database, move || told.render()).await;
    let upstreams = [("files", files.address), ("orders", orders), ("dead", dead.address)];
    let proxy = Proxy::of(&upstreams, ROUTES).await;
    let jobs = [("edge", proxy.admin), ("shop", orders)];
    let prometheus = Prometheus::scraping(&jobs, &hurried(&text(RULES)), 20_090).await;

    let begun = Instant::now();
    let firing = "ALERTS{alertname=\"DeadlineBudgetBurnsFast\", alertstate=\"firing\", job=\"edge\"}";
    let mut lacking = vec!["everything".to_owned()];
    while !lacking.is_empty() || prometheus.values(firing).await.is_empty() {
        assert!(begun.elapsed() < LIMIT, "still empty: {lacking:#?}; {}", prometheus.says("alerts").await);
        requests(&proxy).await;
        sleep(500 * MS).await;
        lacking = empty(&prometheus).await;
    }
    for target in prometheus.says("targets").await["activeTargets"].as_array().unwrap() {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target:#}");
    }
    for group in prometheus.says("rules").await["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!((&rule["health"], rule.get("lastError")), (&"ok".into(), None), "{rule:#}");
        }
    }
}
