//! Spans on their way to a collector.

use metrics::{Unit, counter, describe_counter};

const EXPORTED: &str = "deadline_proxy_spans_exported_total";
const DROPPED: &str = "deadline_proxy_spans_dropped_total";

pub(super) fn describe() {
    describe_counter!(EXPORTED, Unit::Count, "Spans that a collector has taken.");
    describe_counter!(
        DROPPED,
        Unit::Count,
        "Spans that no collector has, by the reason: too many waited, or it failed."
    );
}

/// A collector has taken so many.
pub(crate) fn spans_exported(spans: usize) {
    counter!(EXPORTED).increment(whole(spans));
}

/// So many are lost, for this reason: `full` or `failed`.
pub(crate) fn spans_dropped(reason: &'static str, spans: usize) {
    counter!(DROPPED, "reason" => reason).increment(whole(spans));
}

fn whole(spans: usize) -> u64 {
    u64::try_from(spans).unwrap_or(u64::MAX)
}
