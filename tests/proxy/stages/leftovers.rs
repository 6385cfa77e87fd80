//! What the proxy holds, seen from outside.

use tokio::time::{Instant, sleep};

use crate::support::{MS, Proxy, curl};

/// What it holds; two that are equal differ by nothing that a request could have left behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leftovers {
    descriptors: usize,
    threads: u64,
    /// With the one that asks.
    connections: String,
    requests: String,
}

impl Leftovers {
    pub(super) async fn of(proxy: &Proxy) -> Self {
        let metrics = curl(&[&format!("http://{}/metrics", proxy.admin)]).await.text();
        let gauge = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            // Nothing is told before the first.
            line.unwrap_or("0").to_owned()
        };
        Self {
            connections: gauge("deadline_proxy_connections_open"),
            requests: gauge("deadline_proxy_requests_in_flight"),
            descriptors: proxy.program.descriptors(),
            threads: proxy.program.threads(),
        }
    }

    /// Waits until it is so again.
    pub(super) async fn assert_again(&self, proxy: &Proxy) {
        self.assert_again_but_for(proxy, 0).await;
    }

    /// Waits until it is so again, but for so many threads, which a runtime keeps for a while.
    pub(super) async fn assert_again_but_for(&self, proxy: &Proxy, threads: u64) {
        let start = Instant::now();
        loop {
            let mut now = Self::of(proxy).await;
            if (self.threads..=self.threads + threads).contains(&now.threads) {
                now.threads = self.threads;
            }
            if now == *self {
                return;
            }
            assert!(start.elapsed() < 10_000 * MS, "left behind: {now:?}, before: {self:?}");
            sleep(20 * MS).await;
        }
    }
}

/// How many requests are under way.
pub(super) async fn requests(proxy: &Proxy) -> String {
    Leftovers::of(proxy).await.requests
}

/// Waits until so many requests are under way.
pub(super) async fn until_requests(proxy: &Proxy, count: usize) {
    let start = Instant::now();
    while requests(proxy).await != count.to_string() {
        assert!(start.elapsed() < 5_000 * MS, "not {count} under way: {}", requests(proxy).await);
        sleep(5 * MS).await;
    }
}
