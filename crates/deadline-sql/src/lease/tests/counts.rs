//! What is counted of a connection that is brought to rest.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::*;

/// The names that were counted, with their outcomes.
async fn counted(act: impl Future<Output = ()>) -> Vec<String> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let recording = metrics::set_default_local_recorder(&recorder);
    act.await;
    drop(recording);
    let told = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let name = key.key().name().trim_start_matches("deadline_sql_");
        let labels = key.key().labels().map(|label| format!(" {}", label.value())).collect::<String>();
        match value {
            DebugValue::Counter(times) => Some(format!("{name}{labels} {times}")),
            DebugValue::Gauge(left) => (left.into_inner() != 0.0).then(|| format!("{name} {left}")),
            DebugValue::Histogram(took) => Some(format!("{name} {took:?}")),
        }
    });
    let mut told: Vec<_> = told.filter(|told| !told.starts_with("pool_wait")).collect();
    told.sort();
    told
}

/// What is counted of a statement that takes so long, and whose caller is gone after 60 ms at the latest.
async fn of(manners: Manners, takes: Duration, deadline: Option<u32>) -> Vec<String> {
    counted(async {
        let (_, engine) = engine(manners);
        let mut lease = Lease::acquire(&engine, deadline.map(after)).await.unwrap();
        let _ = timer::within(60 * MS, statement(&mut lease, takes)).await;
        drop(lease);
        assert_eq!(engine.drain(10_000 * MS).await, Ok(()));
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_counted_by_what_stopped_it() {
    let unsent = || Manners { delivery: Some(Delivery::NotSent), ..Manners::default() };
    let untimed = || Manners { untimed: true, ..unsent() };
    for (manners, takes, expected) in [
        (obedient(), 65, vec!["cancelled_total server_timer 1", "overrun_seconds [0.015]"]),
        (obedient(), 900, vec!["cancelled_total cancel_request 1", "overrun_seconds [0.02]"]),
        (unsent(), 90, vec!["cancelled_total server_timer 1", "overrun_seconds [0.04]"]),
        // Nothing of ours has reached it.
        (untimed(), 90, vec!["overrun_seconds [0.04]"]),
        (unsent(), 9_000, vec!["cancelled_total discarded 1", "unsettled_total 1"]),
    ] {
        assert_eq!(of(manners, takes * MS, Some(50)).await, expected, "{takes} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_without_a_deadline_is_counted_from_there() {
    let expected = ["cancelled_total cancel_request 1", "overrun_seconds [0.05]"];
    assert_eq!(of(Manners { lost: 1, ..obedient() }, 900 * MS, None).await, expected);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_ran_nothing_was_stopped() {
    let told = counted(async {
        let (_, engine) = engine(obedient());
        let mut lease = Lease::acquire(&engine, None).await.unwrap();
        lease.clean();
        drop(lease);
        assert_eq!(engine.drain(MS).await, Ok(()));
    });
    assert_eq!(told.await, Vec::<String>::new());
}
