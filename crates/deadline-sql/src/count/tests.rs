use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::*;

/// What was counted: each name with its labels, and its value.
fn counted(act: impl FnOnce()) -> Vec<(String, String)> {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, act);
    let told = |value| match value {
        DebugValue::Counter(count) => count.to_string(),
        DebugValue::Gauge(value) => value.to_string(),
        DebugValue::Histogram(values) => format!("{values:?}"),
    };
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let named = snapshot.into_iter().map(|(key, _, _, value)| {
        let labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), told(value))
    });
    named.collect()
}

#[test]
fn each_count_has_its_name_and_its_label() {
    let all = counted(|| {
        cancelled(Stopped::ServerTimer);
        cancelled(Stopped::ServerTimer);
        unsettled();
        overrun(Duration::from_millis(250));
        pool_wait(Duration::from_millis(500));
        let first = Settling::begin();
        std::mem::forget(Settling::begin());
        drop(first);
    });
    let expected = [
        ("deadline_sql_cancelled_total{outcome=server_timer}", "2"),
        ("deadline_sql_unsettled_total{}", "1"),
        ("deadline_sql_overrun_seconds{}", "[0.25]"),
        ("deadline_sql_pool_wait_seconds{}", "[0.5]"),
        ("deadline_sql_settling{}", "1"),
    ];
    for (name, value) in expected {
        assert!(all.contains(&(name.to_owned(), value.to_owned())), "{name} = {value} in {all:?}");
    }
    assert_eq!(all.len(), expected.len());
}
