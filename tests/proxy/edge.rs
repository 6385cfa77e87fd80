//! Deadlines of strangers (R7): what they are worth at the edge.

use std::time::Duration;

use crate::support::{Proxy, Upstream, curl};

const SIDES: [&str; 4] = ["--timeout", "2s", "--max", "30s"];

/// What the upstream is told is left of a request that asks for this.
async fn told(arguments: &[&str], asked: &str) -> Duration {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &[&SIDES, arguments].concat()).await;
    let answer = curl(&["-H", &format!("X-Request-Timeout: {asked}"), &proxy.url("/")]).await;
    assert_eq!(answer.status, 200, "{arguments:?} {asked}");
    upstream.request().await.timeout()
}

#[tokio::test]
async fn a_stranger_at_the_edge_cannot_ask_for_more_than_the_default() {
    let is_near = |left: Duration, whole: u64| {
        let whole = Duration::from_secs(whole);
        left <= whole && left + Duration::from_secs(1) > whole
    };
    for (arguments, asked, whole) in [
        (&[][..], "20s", 20),
        (&["--edge", "cap"], "20s", 2),
        (&["--edge", "cap"], "1s", 1),
        (&["--edge", "drop"], "1s", 2),
        (&["--edge", "drop"], "soon", 2),
        (&["--edge", "cap", "--trust", "127.0.0.1"], "20s", 20),
        (&["--edge", "drop", "--trust", "127.0.0.1"], "1s", 1),
    ] {
        let left = told(arguments, asked).await;
        assert!(is_near(left, whole), "{arguments:?} {asked}: {left:?}");
    }
}
