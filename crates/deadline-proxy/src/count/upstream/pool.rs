//! The pools of an upstream: connections that are made, that are there, and that are waited for; and what comes on them
//! that no client gets.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const WAIT: &str = "deadline_proxy_pool_wait_seconds";
const CONNECTS: &str = "deadline_proxy_connects_total";
const CONNECTIONS: &str = "deadline_proxy_pool_connections";
const INTERIM: &str = "deadline_proxy_interim_dropped_total";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_histogram!(
        WAIT,
        Unit::Seconds,
        "How long attempts waited for a connection that others used, of those that had to."
    );
    describe_counter!(
        CONNECTS,
        Unit::Count,
        "Connections to an upstream that were begun, by what came of it; `abandoned`: the request was gone before."
    );
    describe_gauge!(
        CONNECTIONS,
        Unit::Count,
        "Connections to an upstream: idle, or busy with requests or with being made."
    );
    describe_counter!(
        INTERIM,
        Unit::Count,
        "Interim answers of upstreams over HTTP/1.1 that no client gets, such as 103; 100 is not among them."
    );
}

/// An upstream has sent an interim answer.
pub(crate) fn interim_dropped() {
    counter!(INTERIM).increment(1);
}

/// What came of making a connection, in the order of [`Pooled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connect {
    /// It speaks HTTP.
    Made,
    /// The endpoint cannot be connected to, or does not speak HTTP.
    Refused,
    /// TLS failed.
    Tls,
    /// Its own limit has passed.
    Late,
    /// Whoever was to use it has gone.
    Abandoned,
}

/// The counts of the pools of one upstream, looked up once.
pub(crate) struct Pooled {
    wait: Histogram,
    connects: [Counter; 5],
    busy: Gauge,
    idle: Gauge,
}

impl Pooled {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new(upstream: &str) -> Self {
        let connects = |outcome| counter!(CONNECTS, "upstream" => upstream.to_owned(), "outcome" => outcome);
        let state = |state| gauge!(CONNECTIONS, "upstream" => upstream.to_owned(), "state" => state);
        Self {
            wait: histogram!(WAIT, "upstream" => upstream.to_owned()),
            connects: ["made", "refused", "tls", "late", "abandoned"].map(connects),
            busy: state("busy"),
            idle: state("idle"),
        }
    }

    /// An attempt has waited for so long, whatever it then got.
    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    /// A connection was begun, and this is what came of it.
    pub(crate) fn connected(&self, outcome: Connect) {
        self.connects[outcome as usize].increment(1);
    }

    /// So many there are.
    pub(crate) fn connections(&self, busy: usize, idle: usize) {
        // A process has fewer descriptors than that.
        self.busy.set(u32::try_from(busy).unwrap_or(u32::MAX));
        self.idle.set(u32::try_from(idle).unwrap_or(u32::MAX));
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").finish_non_exhaustive()
    }
}
