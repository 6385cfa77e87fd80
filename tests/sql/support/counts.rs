//! What deadline-sql counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// A recorder for the thread of a test: counters and gauges with their sum, histograms with the number of what was
/// observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<BTreeMap<String, f64>>>);

/// One name, with one set of labels.
#[derive(Debug)]
struct Count {
    all: Counts,
    name: String,
}

impl Counts {
    /// Records what this thread counts, which is the whole of a test's runtime, until the guard is dropped.
    pub(crate) fn record(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// Of this name, as in `deadline_sql_cancelled_total{outcome=discarded}`.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, f64> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self, key: &Key) -> Arc<Count> {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        Arc::new(Count { all: self.clone(), name: format!("{}{labels}", key.name()) })
    }
}

impl Count {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut all = self.all.0.lock().unwrap();
        let count = all.entry(self.name.clone()).or_default();
        *count = change(*count);
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a test does not count that far")]
        self.change(|count| count + value as f64);
    }

    fn absolute(&self, value: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a test does not count that far")]
        self.change(|_| value as f64);
    }
}

impl GaugeFn for Count {
    fn increment(&self, value: f64) {
        self.change(|count| count + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|count| count - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Count {
    fn record(&self, _: f64) {
        self.change(|count| count + 1.0);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.count(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.count(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.count(key))
    }
}
