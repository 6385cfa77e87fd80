//! What the proxy holds, as Linux and the proxy itself tell it.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::{MS, Proxy};

/// The most that is waited for, for all to end that has nobody any more: longer than what is let go may take.
const SETTLED: Duration = Duration::from_secs(40);

/// What it may hold more of at the end than at the beginning, of memory: what an allocator keeps for itself.
const MORE: u64 = 12 << 20;

/// How long is looked for the least, at the beginning: longer than what a reload lets go may take.
const QUIET: Duration = Duration::from_secs(7);

/// All of this at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census {
    /// In bytes.
    resident: u64,
    threads: u64,
    holdings: Holdings,
}

/// What has to be the same whenever nobody is there.
#[derive(Clone, Copy, Debug)]
struct Holdings {
    descriptors: usize,
    sockets: usize,
    /// Of the main thread, and of the workers. Each waits for something: a timer is of a task that is counted here.
    tasks: (i64, i64),
    /// Of clients, with the one that asks.
    connections: i64,
    requests: i64,
    tunnels: i64,
}

impl Holdings {
    fn all(self) -> [i64; 7] {
        let Self { descriptors, sockets, tasks, connections, requests, tunnels } = self;
        let (descriptors, sockets) = (descriptors as i64, sockets as i64);
        [descriptors, sockets, tasks.0, tasks.1, connections, requests, tunnels]
    }

    fn has_more_than(self, other: Self) -> bool {
        self.all().iter().zip(other.all()).any(|(held, other)| *held > other)
    }
}

impl Census {
    pub(super) const HEAD: &str = "resident, threads, descriptors, sockets, tasks of the main thread and of workers, connections, requests, tunnels";

    pub(super) async fn of(proxy: &Proxy) -> Self {
        let gauge =
            async |name: &str, label: &[&str]| proxy.metric(&format!("deadline_proxy_{name}"), label).await as i64;
        let main = gauge("tasks_alive", &["thread=\"main\""]).await;
        let holdings = Holdings {
            tasks: (main, gauge("tasks_alive", &[]).await - main),
            connections: gauge("connections_open", &[]).await,
            requests: gauge("requests_in_flight", &[]).await,
            tunnels: gauge("tunnels_opened_total", &[]).await - gauge("tunnels_ended_total", &[]).await,
            sockets: proxy.program.sockets(),
            descriptors: proxy.program.descriptors(),
        };
        Self { resident: proxy.program.resident(), threads: proxy.program.threads(), holdings }
    }

    /// Once nothing is under way, the least that it comes to: now and then a task asks for somebody's health.
    pub(super) async fn settled(proxy: &Proxy) -> Self {
        let start = Instant::now();
        let mut least = Self::of(proxy).await;
        while start.elapsed() < QUIET || least.holdings.requests > 0 {
            assert!(start.elapsed() < SETTLED, "it does not come to rest: {least}");
            sleep(200 * MS).await;
            let now = Self::of(proxy).await;
            if !now.holdings.has_more_than(least.holdings) {
                least = now;
            }
        }
        least
    }

    /// Once it holds no more than it held then.
    pub(super) async fn settled_as(proxy: &Proxy, then: Self) -> Self {
        let start = Instant::now();
        loop {
            let now = Self::of(proxy).await;
            if !now.holdings.has_more_than(then.holdings) || start.elapsed() > SETTLED {
                return now;
            }
            sleep(200 * MS).await;
        }
    }

    /// What it holds that it did not hold then.
    pub(super) fn complaints_since(self, then: Self) -> Vec<String> {
        let (now, before) = (self.holdings, then.holdings);
        let mut complaints = Vec::new();
        if now.has_more_than(before) {
            complaints.push(format!("holds {now:?}, held {before:?}"));
        }
        // A runtime keeps threads that block for a while, and starts them when it needs one.
        if self.threads > then.threads + 4 {
            complaints.push(format!("{} threads, {} before", self.threads, then.threads));
        }
        if self.resident > then.resident + MORE {
            complaints.push(format!("{} bytes resident, {} before", self.resident, then.resident));
        }
        complaints
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, threads, holdings } = self;
        let Holdings { descriptors, sockets, tasks, connections, requests, tunnels } = holdings;
        let (main, workers) = tasks;
        write!(f, "{} KiB, {threads}, {descriptors}, {sockets}, {main} and {workers}, ", resident / 1_024)?;
        write!(f, "{connections}, {requests}, {tunnels}")
    }
}

#[test]
fn whatever_is_left_behind_is_told() {
    let holdings = Holdings { descriptors: 20, sockets: 9, tasks: (5, 5), connections: 1, requests: 0, tunnels: 0 };
    let then = Census { resident: 10 << 20, threads: 3, holdings };
    assert_eq!(then.complaints_since(then), Vec::<String>::new());
    let less = Holdings { descriptors: 19, sockets: 8, ..holdings };
    assert_eq!(Census { holdings: less, ..then }.complaints_since(then), Vec::<String>::new());
    for holdings in [
        Holdings { descriptors: 21, ..holdings },
        Holdings { sockets: 10, ..holdings },
        Holdings { tasks: (6, 5), ..holdings },
        Holdings { tasks: (5, 6), ..holdings },
        Holdings { connections: 2, ..holdings },
        Holdings { requests: 1, ..holdings },
        Holdings { tunnels: 1, ..holdings },
    ] {
        assert_eq!(Census { holdings, ..then }.complaints_since(then).len(), 1, "{holdings:?}");
    }
    for (resident, threads) in [(22 << 20, 7), ((22 << 20) + 1, 7), (22 << 20, 8)] {
        let complaints = Census { resident, threads, holdings }.complaints_since(then);
        assert_eq!(complaints.is_empty(), (resident, threads) == (22 << 20, 7), "{complaints:?}");
    }
}
