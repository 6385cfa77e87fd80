//! The process itself: what it has read again, and what it could not write.

use std::fmt;

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};

const CONFIG_RELOADS: &str = "deadline_proxy_reloads_total";
const CONFIG_IN_USE: &str = "deadline_proxy_config_generation";
const CONFIG_REFUSED: &str = "deadline_proxy_config_refused";
const HAND_OVERS: &str = "deadline_proxy_hand_overs_total";
const RELOADS: &str = "deadline_proxy_certificate_reloads_total";
const LINES_LOST: &str = "deadline_proxy_access_log_dropped_total";
const TASKS: &str = "deadline_proxy_tasks_alive";
const STUCK: &str = "deadline_proxy_workers_stuck";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_counter!(CONFIG_RELOADS, Unit::Count, "Times that the configuration was read again, by what came of it.");
    describe_gauge!(CONFIG_IN_USE, Unit::Count, "Which configuration is in use: 1 is that of the start.");
    describe_gauge!(
        CONFIG_REFUSED,
        Unit::Count,
        "Whether the last one could not be used, and an older one is in use: 1."
    );
    describe_counter!(HAND_OVERS, Unit::Count, "Times that another process was to take over, by what came of it.");
    describe_counter!(RELOADS, Unit::Count, "Certificates that were read again, by whether they could be used.");
    describe_counter!(LINES_LOST, Unit::Count, "Lines of the access log that were not written, by the reason.");
    describe_gauge!(
        TASKS,
        Unit::Count,
        "Tasks that have not ended, by thread: one for each connection, and a few that never end."
    );
    describe_gauge!(STUCK, Unit::Count, "Workers that have not moved for some seconds: something blocks them.");
}

/// Begins what somebody is woken by, with the configuration of the start. A count that grows is seen; one that appears with
/// its first step is not, as nothing was there to grow.
pub(super) fn begin() {
    for outcome in ["applied", "refused"] {
        counter!(CONFIG_RELOADS, "outcome" => outcome).increment(0);
    }
    for outcome in ["renewed", "refused"] {
        counter!(RELOADS, "outcome" => outcome).increment(0);
    }
    gauge!(CONFIG_REFUSED).set(0);
    gauge!(CONFIG_IN_USE).set(1);
}

/// The configuration was read again: its number, or `None` where it could not be used.
pub(crate) fn config_reloaded(number: Option<u64>) {
    counter!(CONFIG_RELOADS, "outcome" => if number.is_some() { "applied" } else { "refused" }).increment(1);
    gauge!(CONFIG_REFUSED).set(u8::from(number.is_none()));
    if let Some(number) = number {
        // The width that gauges have is enough for some centuries of reloads.
        gauge!(CONFIG_IN_USE).set(number as f64);
    }
}

/// Another process was to take over: `done`, or one of the few reasons that there are.
pub(crate) fn handed_over(outcome: &'static str) {
    counter!(HAND_OVERS, "outcome" => outcome).increment(1);
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

/// So many tasks are alive on this thread, of which there are few.
pub(crate) fn tasks(thread: &str, count: usize) {
    // Where a number of this width ends, there is no memory left for them.
    gauge!(TASKS, "thread" => thread.to_owned()).set(u32::try_from(count).unwrap_or(u32::MAX));
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
