//! Endpoints that fail, and what an operator sees of them.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::support::{Act, Asked, Http1Client, MS, Mirror, Proxy, Then, Told, curl, soon};

/// In front of both, as one upstream; with half of the policy's timeout, an endpoint had a fair time.
async fn proxy(one: &Mirror, other: &Mirror) -> Proxy {
    let targets = format!("targets = [\"http://{}\", \"http://{}\"]", one.address, other.address);
    Proxy::configured(&format!(
        "admin = \"127.0.0.1:0\"\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream.orders]\n{targets}\n\
        ejection = {{ failures = 2, base = \"6s\" }}\n[policy.default]\ntimeout = \"600ms\"\n\
        [[route]]\nupstream = \"orders\"\n"
    ))
    .await
}

async fn ask(proxy: &Proxy, requests: usize, timeout: Duration) -> Vec<u16> {
    let mut statuses = Vec::new();
    for number in 0..requests {
        let asked = Asked::get(format!("/{number}"), timeout);
        let told: Told = asked.put(&mut Http1Client::connect(proxy.address).await).await;
        told.assert_in_time();
        statuses.push(told.status());
    }
    statuses
}

/// What `/upstreams` says of the endpoint that this mirror is.
async fn told(proxy: &Proxy, mirror: &Mirror) -> Value {
    let page = curl(&[&format!("http://{}/upstreams", proxy.admin)]).await.text();
    let page: Value = serde_json::from_str(&page).expect("it is JSON");
    assert_eq!(page["upstreams"][0]["name"], "orders");
    let endpoints = page["upstreams"][0]["endpoints"].as_array().expect("they are a list").clone();
    let is_it = |endpoint: &Value| endpoint["address"] == mirror.address.to_string();
    endpoints.into_iter().find(is_it).expect("it is among them")
}

async fn until_counted(proxy: &Proxy, state: &str, number: f64) {
    let label = format!("state=\"{state}\"");
    let counted = async {
        while proxy.metric("deadline_proxy_endpoints", &["upstream=\"orders\"", &label]).await != number {
            sleep(100 * MS).await;
        }
    };
    soon(&format!("{number} endpoints that are {state}"), counted).await;
}

#[tokio::test]
async fn a_black_hole_is_left_out_for_a_while_and_all_of_it_is_seen() {
    let well = Mirror::start(|_, _| Act::answer(200, "", "ok\n"));
    let hole = Mirror::start(|_, _| Act::now(Then::Stall));
    let proxy = proxy(&well, &hole).await;

    let statuses = ask(&proxy, 8, 100 * MS).await;
    assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 4, "each in turn: {statuses:?}");
    let before = told(&proxy, &hole).await;
    assert_eq!((&before["failures"], &before["ejected_for"]), (&0.into(), &Value::Null), "who hurries says nothing");

    let statuses = ask(&proxy, 12, 400 * MS).await;
    assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 2, "then nobody is sent there: {statuses:?}");
    let ejected = told(&proxy, &hole).await;
    assert!(ejected["ejected_for"].is_string() && ejected["ejections"] == 1, "{ejected}");
    assert_eq!(told(&proxy, &well).await["ejected_for"], Value::Null);
    until_counted(&proxy, "ejected", 1.0).await;
    until_counted(&proxy, "ejected", 0.0).await;
    until_counted(&proxy, "well", 2.0).await;
    assert_eq!(told(&proxy, &hole).await["ejected_for"], Value::Null);

    proxy.program.terminate().await;
    let finished = proxy.program.finish().await;
    let lines: Vec<_> = finished.stderr.lines().filter(|line| line.contains(&hole.address.to_string())).collect();
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("is left out")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("INFO") && line.contains("is called again")), "{lines:?}");
}
