//! What the proxy counts, beside what the layers count. The only folder of this crate that names the `metrics` facade.
//!
//! Covers the names, labels and help of every count, and their collection for Prometheus. Labels are bounded sets:
//! never a path, never an address. Does not decide when to count.

mod client;
mod limit;
mod open_metrics;
mod process;
mod refusal;
mod route;
#[cfg(feature = "otlp")]
mod traces;
mod upstream;

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) use self::client::*;
pub(crate) use self::limit::*;
pub(crate) use self::process::*;
pub(crate) use self::refusal::*;
pub(crate) use self::route::Routed;
#[cfg(feature = "otlp")]
pub(crate) use self::traces::*;
pub(crate) use self::upstream::*;

/// Upper bounds of histograms of seconds, from half a millisecond to the ten minutes that a report may take. Up to half a
/// second each is at most twice the one before, which is as exact as a percentile that is read off them is.
const SECONDS: [f64; 24] = [
    0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0,
];
/// Of how late something is: a timer, or a statement that was cancelled, as a rule.
const LATE: [f64; 12] = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

/// What was counted, to be read.
#[derive(Clone, Debug)]
pub(crate) struct Collected(PrometheusHandle);

impl Collected {
    /// In the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.0.render()
    }

    /// In the text format of OpenMetrics.
    pub(crate) fn open_metrics(&self) -> String {
        open_metrics::of(&self.text())
    }

    /// Folds what was measured since the last time. Has to be called every few seconds, whether or not anybody reads:
    /// until then each measurement of a histogram is kept.
    pub(crate) fn fold(&self) {
        self.0.run_upkeep();
    }
}

/// Counts for Prometheus from here on, in the whole process. Another call gives the same.
///
/// # Errors
///
/// Where something else already counts in this process.
pub(crate) fn install() -> Result<Collected, BuildError> {
    static INSTALLED: Mutex<Option<Collected>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(collected) = installed.as_ref() {
        return Ok(collected.clone());
    }
    let collected = Collected(builder()?.install_recorder()?);
    describe_metrics();
    begin();
    *installed = Some(collected.clone());
    Ok(collected)
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
    // A full name goes before a suffix.
    builder.set_buckets_for_metric(Matcher::Full("deadline_overrun_seconds".into()), &LATE)
}

/// Tells the recorder that is installed what each count of the proxy is, those of its layers included, and its unit.
/// [`Board::new`](crate::admin::Board::new) does that for a recorder of its own.
pub fn describe_metrics() {
    tower_deadline::describe_metrics();
    describe();
}

fn describe() {
    client::describe();
    process::describe();
    refusal::describe();
    route::describe();
    #[cfg(feature = "otlp")]
    traces::describe();
    upstream::describe();
}

/// What is told of what `count` counts, whatever other tests of this process do.
#[cfg(test)]
pub(crate) fn told(count: impl FnOnce()) -> String {
    let recorder = builder().unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        count();
    });
    recorder.handle().render()
}

#[cfg(test)]
mod tests;
