//! Another configuration while it serves: what holds from when on, and for whom.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Proxy, Upstream, curl};

/// A file with a route to each of these, by its path.
fn file(listener: &str, routes: &[(&str, SocketAddr)]) -> String {
    let mut text = format!("admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"{listener}\"\n");
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

const ANYWHERE: &str = "127.0.0.1:0";

async fn config(proxy: &Proxy) -> Value {
    curl(&[&format!("http://{}/config", proxy.admin)]).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_asked_for_holds_once_it_is_answered() {
    let (old, new) = (saying("old").await, saying("new").await);
    let proxy = Proxy::configured(&file(ANYWHERE, &[("/", old.address)])).await;
    assert_eq!(curl(&[&proxy.url("/")]).await.text(), "old");
    proxy.folder().write("proxy.toml", &file(ANYWHERE, &[("/", new.address), ("/old", old.address)]));
    assert_eq!(proxy.reload().await, (200, "{\"generation\":2}\n".to_owned()));
    for _ in 0..10 {
        assert_eq!(curl(&[&proxy.url("/")]).await.text(), "new");
        assert_eq!(curl(&[&proxy.url("/old")]).await.text(), "old");
    }
    assert_eq!(config(&proxy).await["routes"].as_array().unwrap().len(), 2);
    assert!((proxy.metric("deadline_proxy_reloads_total", &["outcome=\"applied\""]).await - 1.0).abs() < 0.1);
}
