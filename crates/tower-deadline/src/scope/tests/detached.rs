//! R15: what was detached outlives its request, and has a budget of its own.

use super::*;
use crate::OriginKind;

#[tokio::test(start_paused = true)]
async fn a_detached_task_outlives_its_request_and_ends_at_its_own_budget() {
    let probe = Probe::default();
    let kept = Kept::default();
    let (watching, keeping) = (probe.clone(), Arc::clone(&kept));
    let handler = move |_: Incoming| {
        *keeping.lock().unwrap() = Some(detach(10 * BUDGET, watching.watch(pending::<()>())));
        pending::<Outcome>()
    };
    let service = DeadlineLayer::new(Policy::new()).layer(service_fn(handler));
    let mut calling = call(&service, asking("300ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(poll(calling.as_mut()).is_ready());
    settle().await;
    advance(9 * BUDGET - MS).await;
    settle().await;
    assert_eq!(probe.in_flight(), 1);
    advance(MS).await;
    let exceeded = taken(&kept).await.unwrap().unwrap_err();
    assert_eq!((exceeded.budget(), exceeded.elapsed()), (10 * BUDGET, 10 * BUDGET));
    assert_eq!(probe.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_detached_budget_counts_from_the_call_and_names_its_line() {
    let (detached, line) = (detach(BUDGET, async { remaining() }), line!());
    // The task has not been polled yet.
    advance(100 * MS).await;
    assert_eq!(detached.await.unwrap().unwrap(), Some(BUDGET - 100 * MS));

    let task = detach(BUDGET, pending::<()>());
    let exceeded = task.await.unwrap().unwrap_err();
    assert_eq!(exceeded.origin().kind(), OriginKind::Code);
    assert_eq!(exceeded.origin().detail().to_string(), format!("{}:{}", file!(), line + 5));
}
