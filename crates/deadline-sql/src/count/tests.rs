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

#[test]
fn the_paper_has_every_count_of_this_crate_and_no_other() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        cancelled(Stopped::ServerTimer);
        unsettled();
        overrun(Duration::ZERO);
        pool_wait(Duration::ZERO);
        drop(Settling::begin());
    });
    let mut counted = Vec::new();
    for (key, unit, what, _) in snapshotter.snapshot().into_vec() {
        let (name, kind) = (key.key().name().to_owned(), key.kind());
        assert!(unit.is_some() && what.is_some_and(|what| what.ends_with('.')), "{name} is not described");
        counted.push(format!("| `{name}` | {kind:?} |").to_lowercase());
    }
    counted.sort_unstable();
    let paper = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let rows = paper.lines().filter(|line| line.starts_with("| `deadline_sql_"));
    let mut rows: Vec<_> = rows.map(|row| row.splitn(4, '|').take(3).collect::<Vec<_>>().join("|") + "|").collect();
    rows.sort_unstable();
    assert_eq!(rows, counted);
}
