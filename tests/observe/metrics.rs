//! `/metrics` of a real proxy after real traffic: what others say of its form, and the table of its content.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::counts::{Table, proxy, scrape, series};
use crate::support::{Http1Client, Place, Proxy, Upstream, curl, soon};

const ROUTES: &str = r#"
[policy.default]
timeout = "2s"
[policy.trial]
timeout = "100ms"
mode = "observe"
[policy.again]
timeout = "2s"
retries = 1
backoff = "1ms"

[[route]]
name = "trial"
prefix = "/trial"
host = "shop.example"
upstream = "shop"
policy = "trial"

[[route]]
name = "again"
prefix = "/again"
host = "shop.example"
upstream = "nobody"
policy = "again"

[[route]]
prefix = "/"
host = "shop.example"
upstream = "shop"
"#;

/// Every name of the configuration, and of the threads.
const NAMES: [&str; 10] =
    ["default", "trial", "again", "none", "shop", "nobody", "route 3", "main", "worker-0", "worker-1"];

/// A proxy to which everything has happened that happens in a few requests.
async fn busy() -> Proxy {
    let upstream = Upstream::start().await;
    let nobody = Place::take();
    let proxy = proxy(&[("shop", upstream.address), ("nobody", nobody.address)], ROUTES).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for (path, fields, status) in [
        ("/ok", "x-request-timeout: 5s\r\n", 200),
        ("/ok", "x-request-timeout: 0\r\n", 504),
        ("/ok", "x-request-timeout: soon\r\ngrpc-timeout: 1x\r\n", 400),
        ("/never", "x-request-timeout: 30ms\r\n", 504),
        ("/trial/ok", "x-request-timeout: soon, 0\r\n", 200),
        ("/again/a", "", 502),
    ] {
        client.get(path, fields).await;
        assert_eq!(client.answer().await.0.status(), status, "{path} {fields}");
    }
    client.send("GET /a HTTP/1.1\r\nhost: other.example\r\n\r\n").await;
    assert_eq!(client.answer().await.0.status(), 404);
    proxy
}

/// What `promtool check metrics` says, and whether it is content.
async fn promtool(text: &str) -> (bool, String) {
    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!(
                "there is no `promtool` on the PATH: it is in the package `prometheus`; `cargo xtask test` installs it"
            )
        }
        started => started.expect("promtool can be run"),
    };
    let mut stdin = promtool.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = soon("promtool", promtool.wait_with_output()).await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn promtool_has_nothing_to_say_of_what_is_exposed() {
    let proxy = busy().await;
    assert_eq!(promtool(&scrape(&proxy).await).await, (true, String::new()));
    // It would have, of a worse name.
    let (is_content, said) = promtool("# TYPE orders counter\norders 1\n").await;
    assert!(!is_content && said.contains("_total"), "{said}");
}

#[tokio::test]
async fn every_series_that_is_exposed_is_in_the_table_with_its_labels() {
    let (proxy, table) = (busy().await, Table::read());
    let series = series(&scrape(&proxy).await);
    let complaints: Vec<_> = series.iter().filter_map(|series| table.complaint(series, &NAMES)).collect();
    assert_eq!(complaints, [""; 0]);
    let exposed: BTreeSet<_> = series.iter().map(|series| series.family.as_str()).collect();
    // What needs more than a few requests to happen, or another crate.
    let rare = [
        "deadline_sql",
        "deadline_cancellations",
        "deadline_lost",
        "deadline_local_limits",
        "deadline_tasks",
        "deadline_would_withhold",
        "deadline_would_exceed",
        "deadline_proxy_tunnels",
        "deadline_proxy_health",
        "deadline_proxy_hand_overs",
        "deadline_proxy_accept_failures",
        "deadline_proxy_requests_stopped",
        "deadline_proxy_spans",
        "deadline_proxy_trailers",
        "deadline_proxy_interim",
        "deadline_proxy_access_log",
        "deadline_proxy_ejections",
        "deadline_proxy_workers_stuck",
    ];
    let is_rare = |family: &&str| rare.iter().any(|rare| family.starts_with(rare));
    let absent: Vec<_> = table.families().filter(|family| !exposed.contains(family) && !is_rare(family)).collect();
    assert_eq!(absent, [""; 0], "a row that nothing of this traffic raises");
}

/// The sum of these series.
async fn counted<const N: usize>(proxy: &Proxy, counts: [(&str, &[&str]); N]) -> [f64; N] {
    let mut sums = [0.0; N];
    for (sum, (name, labels)) in sums.iter_mut().zip(counts) {
        *sum = proxy.metric(name, labels).await;
    }
    sums
}

#[tokio::test]
async fn each_request_is_in_its_denominator_and_has_one_end() {
    let proxy = busy().await;
    let told = counted(
        &proxy,
        [
            // What no route takes has no policy.
            ("deadline_requests_total", &[]),
            ("deadline_headroom_seconds_count", &[]),
            ("deadline_exceeded_total", &[]),
            ("deadline_exceeded_total", &["stage=\"arrival\"", "policy=\"default\"", "origin=\"header\""]),
            ("deadline_would_refuse_total", &["reason=\"malformed\"", "policy=\"trial\""]),
            ("deadline_truncated_total", &["policy=\"default\""]),
            ("deadline_invalid_total", &[]),
            ("deadline_attempts_total", &["policy=\"again\""]),
            ("deadline_proxy_route_requests_total", &["route=\"route 3\""]),
            ("deadline_proxy_route_requests_total", &["route=\"again\"", "status=\"5xx\""]),
            ("deadline_proxy_route_seconds_count", &[]),
            ("deadline_proxy_refusals_total", &["reason=\"no_route\""]),
        ],
    )
    .await;
    // Of the six with a route, one was malformed and one came too late; one was stopped. The observed one was late already.
    assert_eq!(told, [6.0, 2.0, 2.0, 1.0, 1.0, 1.0, 3.0, 2.0, 4.0, 1.0, 6.0, 1.0]);
}

#[tokio::test]
async fn the_same_is_told_as_open_metrics_to_who_asks_for_them() {
    let proxy = busy().await;
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = curl(&["-H", accept, &format!("http://{}/metrics", proxy.admin)]).await;
    assert_eq!(answer.field("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n") && !text.contains("\n\n"), "{text}");
    assert_eq!(series(&text), series(&scrape(&proxy).await));
    for line in ["# TYPE deadline_requests counter", "# UNIT deadline_budget_seconds seconds"] {
        assert!(text.lines().any(|told| told == line), "{line}: {text}");
    }
}
