//! One run: a request, what became of it, and what is known of that from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::chain::Chain;
use super::slow::{Limit, Place, RESERVE, Slow};
use super::told::{Seen, Time, Truth};
use crate::support::{Head, Http1Client};

/// What a client asks for that sets no limit: more than anybody grants.
const AMPLE: Duration = Duration::from_secs(15);
/// How much later than it is due something may happen before somebody else stops the request.
const SPARE: Duration = Duration::from_millis(120);

/// The number of the next trace.
static TRACES: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub(super) struct Run {
    pub(super) limit: Limit,
    pub(super) slow: Slow,
    /// No other request of the chain has it.
    pub(super) path: String,
    /// The trace that it is part of.
    pub(super) trace: String,
    pub(super) head: Head,
    pub(super) body: String,
    pub(super) truth: Truth,
}

impl Run {
    /// Asks for what is slow under this limit; `number` is of no other run of the chain. `None` where the machine was so
    /// busy that nobody can say who had to stop it.
    pub(super) async fn of(chain: &Chain, limit: Limit, slow: Slow, number: usize) -> Option<Self> {
        let path = format!("/{}/{}/{number}", limit.word(), slow.word());
        let asked = if limit == Limit::Client { Place::Proxy.due() } else { AMPLE };
        let trace = format!("{:032x}", TRACES.fetch_add(1, Ordering::Relaxed));
        let mut client = Http1Client::connect(chain.proxy.address).await;
        let sent = Instant::now();
        let asked = format!("x-request-timeout: {}ms\r\n", asked.as_millis());
        client.get(&path, &format!("{asked}traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n")).await;
        let (head, body) = client.answer().await;
        let took = sent.elapsed();
        if took > slow.hop().due() + SPARE {
            return None;
        }
        let truth = Truth::of(limit, slow, times(chain, slow, &path, sent, took));
        Some(Self { limit, slow, path, trace, head, body, truth })
    }

    pub(super) fn hop(&self) -> Place {
        self.slow.hop()
    }
}

/// What took how long, by the clock that all of them have. A hop has a request for longer than the next one has it, and the
/// client waits for longer than the first.
fn times(chain: &Chain, slow: Slow, path: &str, sent: Instant, took: Duration) -> BTreeMap<Time, Seen> {
    let mut times = BTreeMap::new();
    let (mut before, mut inner) = ((Place::Proxy, sent), None);
    for place in [Place::Orders, Place::Payments] {
        let Some(visit) = chain.service(place).and_then(|hop| hop.journal.of(path)) else { break };
        times.insert(Time::Sent(before.0), Seen { least: Duration::ZERO, most: visit.came - before.1 });
        let had = visit.left.expect("who was answered has left") - visit.came;
        times.insert(Time::Took(place), Seen::exactly(had));
        inner = inner.or(Some(had));
        before = (place, visit.came);
    }
    // Who stops it alone does not do so before half of what is reserved is left.
    let least = inner.unwrap_or(slow.hop().due() - RESERVE / 2);
    times.insert(Time::Took(Place::Proxy), Seen { least, most: took });
    times
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
