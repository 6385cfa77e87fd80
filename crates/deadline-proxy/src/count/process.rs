//! The process itself: what it has read again, and what it could not write.

use std::fmt;

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};

const RELOADS: &str = "deadline_proxy_certificate_reloads_total";
const LINES_LOST: &str = "deadline_proxy_access_log_dropped_total";
const STUCK: &str = "deadline_proxy_workers_stuck";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_counter!(RELOADS, Unit::Count, "Certificates that were read again, by whether they could be used.");
    describe_counter!(LINES_LOST, Unit::Count, "Lines of the access log that were not written, by the reason.");
    describe_gauge!(STUCK, Unit::Count, "Workers that have not moved for some seconds: something blocks them.");
}

/// What a look at the files of certificates came to, where they say something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// They are in use.
    Renewed,
    /// They cannot be used, and the old ones stay. Counted at each look, so that it is seen for as long as it lasts.
    Refused,
}

/// Certificates were read again.
pub(crate) fn reloaded(reload: Reload) {
    let outcome = match reload {
        Reload::Renewed => "renewed",
        Reload::Refused => "refused",
    };
    counter!(RELOADS, "outcome" => outcome).increment(1);
}

/// So many workers are stuck now.
pub(crate) fn stuck_workers(count: usize) {
    // A number of threads is small.
    gauge!(STUCK).set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// The counts of what the access log has not written, looked up once.
#[derive(Clone)]
pub(crate) struct LinesLost {
    dropped: Counter,
    failed: Counter,
}

impl LinesLost {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        let count = |reason| counter!(LINES_LOST, "reason" => reason);
        Self { dropped: count("full"), failed: count("failed") }
    }

    /// So many have been dropped by now, because too many waited.
    pub(crate) fn dropped(&self, by_now: usize) {
        // Where a number of this width ends, nobody counts any more.
        self.dropped.absolute(u64::try_from(by_now).unwrap_or(u64::MAX));
    }

    /// One could not be written.
    pub(crate) fn failed(&self) {
        self.failed.increment(1);
    }
}

impl fmt::Debug for LinesLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinesLost")
    }
}
