//! What each count is, for whoever collects them.

use metrics::{Unit, describe_counter, describe_histogram};

use super::name;

/// What each counter counts.
const COUNTERS: [(&str, &str); 14] = [
    (name::REQUESTS, "Requests that came, by who set their deadline."),
    (name::EXCEEDED, "Requests that were stopped or refused, by where, why, and who had set the deadline."),
    (name::TRUNCATED, "Requests whose client asked for more than the policy grants."),
    (name::INVALID, "Elements of deadline fields that are malformed, whether they were refused or ignored."),
    (name::ATTEMPTS, "Outgoing calls that were made."),
    (name::UNSENT, "Outgoing calls that were not sent, because nothing was left for them."),
    (name::MISSING, "Outgoing calls for which no deadline was found."),
    (name::LOST, "Requests that had lost their deadline on the way through the layers, as a guard found."),
    (
        name::LOCAL_LIMITS,
        "Limits of our own that met a deadline: sooner, so that they truncated it, or pointless, being longer.",
    ),
    (name::TASKS_ABORTED, "Spawned tasks that ended because their request had."),
    (name::CANCELLATIONS, "Times that a scope was cancelled, by whether it was the first, once more, or too late."),
    (name::WOULD_REFUSE, "Requests that an observing policy let in, and an enforcing one would have refused."),
    (name::WOULD_EXCEED, "Requests of an observing policy that were running at their deadline."),
    (name::WOULD_WITHHOLD, "Outgoing calls of an observing policy that an enforcing one would not have sent."),
];

/// What each histogram measures.
const HISTOGRAMS: [(&str, &str); 3] = [
    (name::BUDGET, "What requests were granted as they came."),
    (name::HEADROOM, "What was left of the budget as a request ended by itself."),
    (name::OVERRUN, "How long after its deadline a request ended."),
];

/// Tells the recorder that is installed what each count of this crate is, and its unit.
///
/// Once, after the recorder was installed. What is counted before one is installed is lost; what comes after it is
/// counted, also by layers and clients that were used before.
///
/// Which counts there are, with their labels and what to divide them by, is in a table: `docs/metrics.md` of the
/// repository.
pub fn describe_metrics() {
    for (name, what) in COUNTERS {
        describe_counter!(name, Unit::Count, what);
    }
    for (name, what) in HISTOGRAMS {
        describe_histogram!(name, Unit::Seconds, what);
    }
}
