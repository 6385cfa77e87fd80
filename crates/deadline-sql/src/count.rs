//! What is counted.
//!
//! Covers the names and labels of every count, and is the only file that names the `metrics` facade. Without the
//! feature `metrics` nothing is counted, and the functions are empty. Labels are words of this crate. Does not decide
//! when to count.

use std::time::Duration;

use crate::error::Stopped;

const CANCELLED: &str = "deadline_sql_cancelled_total";
const UNSETTLED: &str = "deadline_sql_unsettled_total";
const OVERRUN: &str = "deadline_sql_overrun_seconds";
const POOL_WAIT: &str = "deadline_sql_pool_wait_seconds";
const SETTLING: &str = "deadline_sql_settling";

/// Tells the recorder that is installed what each count of this crate is, and its unit.
///
/// Once, after the recorder was installed. Which counts there are, with their labels and what to divide them by, is in a
/// table: `docs/metrics.md` of the repository.
#[cfg(feature = "metrics")]
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!(CANCELLED, Unit::Count, "Statements that were stopped, by how they came to an end.");
    describe_counter!(UNSETTLED, Unit::Count, "Connections that were closed because they did not come to rest.");
    describe_gauge!(SETTLING, Unit::Count, "Connections that are being brought to rest.");
    describe_histogram!(OVERRUN, Unit::Seconds, "How long after its deadline a statement had ended.");
    describe_histogram!(POOL_WAIT, Unit::Seconds, "How long somebody waited for a connection.");
}

/// A statement whose deadline had passed, or whose caller had gone, came to an end in this way.
pub(crate) fn cancelled(outcome: Stopped) {
    add(CANCELLED, &[("outcome", outcome.as_str())]);
}

/// A connection was closed because it did not come to rest: its statement may run on for a while.
pub(crate) fn unsettled() {
    add(UNSETTLED, &[]);
}

/// How long after its deadline, or after its caller had gone, a statement had ended.
pub(crate) fn overrun(took: Duration) {
    observe(OVERRUN, took);
}

/// How long somebody waited for a connection.
pub(crate) fn pool_wait(took: Duration) {
    observe(POOL_WAIT, took);
}

/// A connection that is being brought to rest, as long as this lives.
#[derive(Debug)]
pub(crate) struct Settling(());

impl Settling {
    pub(crate) fn begin() -> Self {
        change(SETTLING, 1.0);
        Self(())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        change(SETTLING, -1.0);
    }
}

#[cfg(feature = "metrics")]
fn add(name: &'static str, labels: &[(&'static str, &'static str)]) {
    metrics::counter!(name, labels).increment(1);
}

#[cfg(feature = "metrics")]
fn observe(name: &'static str, took: Duration) {
    metrics::histogram!(name).record(took);
}

#[cfg(feature = "metrics")]
fn change(name: &'static str, by: f64) {
    metrics::gauge!(name).increment(by);
}

#[cfg(not(feature = "metrics"))]
fn add(_: &'static str, _: &[(&'static str, &'static str)]) {}

#[cfg(not(feature = "metrics"))]
fn observe(_: &'static str, _: Duration) {}

#[cfg(not(feature = "metrics"))]
fn change(_: &'static str, _: f64) {}

#[cfg(all(test, feature = "metrics"))]
mod tests;
