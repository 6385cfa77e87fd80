//! What was counted, for whoever counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit,
};

/// A recorder of counters, for the thread of a test.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, Arc<Count>>>);

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Counts {
    /// Records what this thread counts, which is the whole of a test's runtime, until the guard is dropped.
    pub(crate) fn record(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// What was counted, but for what each request counts, and how often: a name and its labels in the order of their
    /// keys, as in `deadline_would_refuse_total{policy=default,reason=missing}`.
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.with(|counter| !counter.starts_with("deadline_requests_total"))
    }

    /// What each request counts: the denominator.
    pub(crate) fn requests(&self) -> Vec<(String, u64)> {
        self.with(|counter| counter.starts_with("deadline_requests_total"))
    }

    fn with(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort_unstable();
        let counter = format!("{}{{{}}}", key.name(), labels.join(","));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Counter::from_arc(Arc::clone(counts.entry(counter).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
