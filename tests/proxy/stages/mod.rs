//! Each place in which a request can be stuck: it ends at the deadline, the stage is told, and nothing is left behind.

mod client;
mod connect;
mod leftovers;
mod pool;
mod storm;
mod upstream;

use std::time::Duration;

use self::leftovers::Leftovers;
use crate::support::{Answer, MS, Proxy, assert_due, curl};

/// The versions of HTTP of a client, in curl's words.
const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

const BUDGET: Duration = Duration::from_millis(300);

/// Connections to the upstream that are idle go soon, so that what is left is left by mistake.
const TIDY: [&str; 4] = ["--workers", "1", "--upstream-idle", "200ms"];

/// Asks with [`BUDGET`], and is told at its end that it was used up in this stage.
async fn assert_stopped(proxy: &Proxy, version: &str, path: &str, stage: &str) {
    let answer = ask(proxy, version, path, "300ms").await;
    assert_eq!((answer.exit, answer.status), (Some(0), 504), "{version} {path}: {}", answer.text());
    let expected = format!(r#"origin=header, stage={stage}, cause=deadline, hop="proxy""#);
    assert_eq!(answer.field("deadline-exceeded"), expected, "{version} {path}");
    assert_due(answer.took, BUDGET);
}

async fn ask(proxy: &Proxy, version: &str, path: &str, timeout: &str) -> Answer {
    curl(&[version, "-H", &format!("X-Request-Timeout: {timeout}"), &proxy.url(path)]).await
}

/// Long before any deadline that was asked for.
#[track_caller]
fn assert_at_once(took: Duration) {
    assert!(took < 1_500 * MS, "took {took:?}");
}

/// A proxy whose idle connections go soon, with more arguments, and what it holds while nobody asks.
async fn tidy(upstream: std::net::SocketAddr, arguments: &[&str]) -> (Proxy, Leftovers) {
    let proxy = Proxy::with(upstream, &[&TIDY, arguments].concat()).await;
    let before = Leftovers::of(&proxy).await;
    (proxy, before)
}
