//! What was counted, for whoever counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// A recorder of counters and histograms, for the thread of a test.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counters: Mutex<BTreeMap<String, Arc<Count>>>,
    histograms: Mutex<BTreeMap<String, Arc<Values>>>,
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

#[derive(Debug, Default)]
struct Values(Mutex<Vec<f64>>);

/// How often each of them is counted without anything that is worth telling.
const DENOMINATORS: [&str; 2] = ["deadline_requests_total", "deadline_attempts_total"];

impl Counts {
    /// Records what this thread counts, which is the whole of a test's runtime, until the guard is dropped.
    pub(crate) fn record(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// What was counted, but for what each request and each call counts, and how often: a name and its labels in the order
    /// of their keys, as in `deadline_would_refuse_total{policy=default,reason=missing}`.
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.with(|counter| !DENOMINATORS.iter().any(|name| counter.starts_with(name)))
    }

    /// What each request counts.
    pub(crate) fn requests(&self) -> Vec<(String, u64)> {
        self.of(DENOMINATORS[0])
    }

    /// What is counted by this name.
    pub(crate) fn of(&self, name: &str) -> Vec<(String, u64)> {
        self.with(|counter| counter.starts_with(name))
    }

    /// What was measured, in milliseconds: a name, and each value.
    pub(crate) fn measured(&self) -> Vec<(String, Vec<u64>)> {
        let histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let values = |values: &Values| {
            let values = values.0.lock().unwrap_or_else(PoisonError::into_inner);
            values.iter().map(|seconds| (seconds * 1e3).round() as u64).collect::<Vec<_>>()
        };
        let measured = histograms.iter().map(|(histogram, seen)| (histogram.clone(), values(seen)));
        measured.filter(|(_, values)| !values.is_empty()).collect()
    }

    fn with(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        let counts = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.iter().map(|(counter, count)| (counter.clone(), count.0.load(Ordering::Relaxed)));
        // What is looked up ahead of time has counted nothing.
        counts.filter(|(counter, count)| *count > 0 && wanted(counter)).collect()
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

/// The name with its labels, in the order of their keys.
fn named(key: &Key) -> String {
    let mut labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    labels.sort_unstable();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Counter::from_arc(Arc::clone(counters.entry(named(key)).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        Histogram::from_arc(Arc::clone(histograms.entry(named(key)).or_default()))
    }
}
