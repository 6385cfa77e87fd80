//! Another configuration while it serves: what holds from when on, and for whom.

mod doors;
mod files;
mod load;
mod refused;

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Http1Client, Proxy, Stopwatch, Upstream, curl};

const ANYWHERE: &str = "127.0.0.1:0";

/// A file with these listeners, and a route to each of these, by its path.
fn file(listeners: &[&str], routes: &[(&str, SocketAddr)]) -> String {
    let mut text = format!("admin = \"{ANYWHERE}\"\nworkers = 2\n");
    for listener in listeners {
        write!(text, "[[listener]]\naddress = \"{listener}\"\n").unwrap();
    }
    for (at, (prefix, upstream)) in routes.iter().enumerate() {
        write!(text, "[upstream.u{at}]\ntargets = [\"http://{upstream}\"]\n").unwrap();
        write!(text, "[[route]]\nprefix = \"{prefix}\"\nupstream = \"u{at}\"\n").unwrap();
    }
    text
}

/// Answers every request with this.
async fn saying(text: &str) -> Upstream {
    Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())).await
}

async fn config(proxy: &Proxy) -> Value {
    curl(&[&format!("http://{}/config", proxy.admin)]).await.json()
}

async fn said(proxy: &Proxy, path: &str) -> String {
    curl(&[&proxy.url(path)]).await.text()
}

/// How often the configuration was read again, and this came of it.
async fn reloads(proxy: &Proxy, outcome: &str) -> f64 {
    proxy.metric("deadline_proxy_reloads_total", &[&format!("outcome=\"{outcome}\"")]).await
}

/// Waits until so many reloads came to this.
async fn reloaded(proxy: &Proxy, outcome: &str, times: f64) {
    for _ in 0..500 {
        if reloads(proxy, outcome).await >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{outcome} fewer than {times} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_asked_for_holds_once_it_is_answered() {
    let (old, new) = (saying("old").await, saying("new").await);
    let proxy = Proxy::configured(&file(&[ANYWHERE], &[("/", old.address)])).await;
    assert_eq!(said(&proxy, "/").await, "old");
    proxy.rewrite(&file(&[ANYWHERE], &[("/", new.address), ("/old", old.address)]));
    assert_eq!(proxy.reload().await, (200, "{\"generation\":2}\n".to_owned()));
    for _ in 0..10 {
        assert_eq!(said(&proxy, "/").await, "new");
        assert_eq!(said(&proxy, "/old").await, "old");
    }
    assert_eq!(config(&proxy).await["routes"].as_array().unwrap().len(), 2);
    assert_eq!(reloads(&proxy, "applied").await, 1.0);
    assert_eq!(proxy.metric("deadline_proxy_config_generation", &[]).await, 2.0);
}

/// A connection of before asks by the new configuration, over the upstream connection that is kept.
#[tokio::test(flavor = "multi_thread")]
async fn connections_of_either_side_outlive_a_reload_that_does_not_concern_them() {
    let (upstream, other) = (saying("ok").await, saying("other").await);
    let proxy = Proxy::configured(&file(&[ANYWHERE], &[("/", upstream.address)])).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for round in 0..5 {
        client.get("/", "").await;
        let (head, body) = client.answer().await;
        assert_eq!((head.status(), body.as_str(), head.headers.get("connection")), (200, "ok", None), "{round}");
        let path = format!("/{round}");
        proxy.rewrite(&file(&[ANYWHERE], &[("/", upstream.address), (&path, other.address)]));
        assert_eq!(proxy.reload().await.0, 200);
        client.get(&path, "").await;
        assert_eq!(client.answer().await.1, "other");
    }
    assert_eq!(upstream.accepted(), 1);
}

/// What was let in by the old configuration ends by it: its upstream is no longer named, and its time is the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_under_way_ends_as_it_began() {
    let (mut old, new) = (Upstream::start().await, saying("new").await);
    let told = |upstream: &Upstream, timeout: &str| {
        let policy = format!("[policy.default]\ntimeout = \"{timeout}\"\n");
        file(&[ANYWHERE], &[("/", upstream.address)]) + &policy
    };
    let proxy = Proxy::configured(&told(&old, "2s")).await;
    let mut late = Http1Client::connect(proxy.address).await;
    let watch = Stopwatch::start();
    late.get("/never", "").await;
    old.request().await;
    proxy.rewrite(&told(&new, "9s"));
    assert_eq!(proxy.reload().await.0, 200);
    assert_eq!(said(&proxy, "/").await, "new");
    let (head, body) = late.answer().await;
    watch.assert_due(Duration::from_secs(2));
    assert!(head.status() == 504 && body.contains("\"budget_ms\":2000"), "{body}");
}
