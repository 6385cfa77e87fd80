//! R15: what was spawned ends with its request, for whatever cause.

use super::*;
use crate::testing::{data, error, finished, is_at_end, plain, ready as now_ready};
use crate::{DeadlineService, PropagateLayer};
use deadline_testkit::Step;
use std::future::ready as answer;
use tower::ServiceExt;
use tower::util::ServiceFn;

type Task = JoinHandle<Result<(), RequestEnded>>;

/// A service that leaves a child behind and then does `rest`.
fn parental<F>(
    probe: &Probe,
    rest: impl Fn() -> F + Clone,
) -> (DeadlineService<ServiceFn<impl Fn(Incoming) -> F + Clone>>, Kept<Task>)
where
    F: Future<Output = Outcome>,
{
    let (probe, task) = (probe.clone(), Kept::default());
    let kept = Arc::clone(&task);
    let handler = move |_: Incoming| {
        *kept.lock().unwrap() = Some(spawn(probe.watch(pending())));
        rest()
    };
    (DeadlineLayer::new(Policy::new()).layer(service_fn(handler)), task)
}

async fn cause(task: Task) -> Option<Cause> {
    finished(task).await.unwrap_err().cause()
}

fn two_frames() -> impl Future<Output = Outcome> {
    answer(Ok(Response::new(ScriptedBody::new([Step::Data("one"), Step::Data("two")]))))
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_when_the_request_is_answered() {
    let probe = Probe::default();
    let (service, task) = parental(&probe, two_frames);
    let mut body = now_ready(poll(call(&service, asking("300ms")).as_mut())).into_body();
    data(&mut body);
    settle().await;
    assert_eq!(probe.in_flight(), 1, "not while the answer is read");
    data(&mut body);
    assert!(is_at_end(&mut body));
    assert_eq!(cause(taken(&task)).await, None);
    assert_eq!(probe.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_when_the_request_expires() {
    let probe = Probe::default();
    let (service, task) = parental(&probe, pending::<Outcome>);
    let mut calling = call(&service, asking("300ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET - MS).await;
    settle().await;
    assert_eq!(probe.in_flight(), 1);
    advance(MS).await;
    assert!(poll(calling.as_mut()).is_ready());
    assert_eq!(cause(taken(&task)).await, Some(Cause::Deadline));
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_when_the_body_expires() {
    let probe = Probe::default();
    let (service, task) = parental(&probe, two_frames);
    let mut body = now_ready(poll(call(&service, asking("300ms")).as_mut())).into_body();
    advance(BUDGET).await;
    error(&mut body);
    assert_eq!(cause(taken(&task)).await, Some(Cause::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_when_the_client_goes_before_the_head() {
    let probe = Probe::default();
    let (service, task) = parental(&probe, pending::<Outcome>);
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    drop(calling);
    assert_eq!(cause(taken(&task)).await, Some(Cause::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_when_the_client_goes_half_way_through_the_body() {
    let probe = Probe::default();
    let (service, task) = parental(&probe, two_frames);
    let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
    data(&mut body);
    drop(body);
    assert_eq!(cause(taken(&task)).await, Some(Cause::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_child_works_under_the_deadline_of_its_request_and_gives_its_value() {
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let handler = move |request: Incoming| {
        let deadline = request.extensions().get::<Deadline>().copied();
        *keeping.lock().unwrap() = Some(spawn(async move { current() == deadline && deadline.is_some() }));
        pending::<Outcome>()
    };
    let service = DeadlineLayer::new(Policy::new()).layer(service_fn(handler));
    let mut calling = call(&service, asking("300ms"));
    assert!(poll(calling.as_mut()).is_pending());
    assert!(taken(&kept).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_child_of_nothing_is_a_plain_task() {
    let child = spawn(async {
        sleep(100 * BUDGET).await;
        current()
    });
    assert_eq!(child.await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn children_of_a_scope_end_with_it() {
    let kept = Kept::<Task>::default();
    let scoped = |is_done: bool| {
        let kept = Arc::clone(&kept);
        Box::pin(scope(in_budget(), async move {
            *kept.lock().unwrap() = Some(spawn(pending()));
            if !is_done {
                pending::<()>().await;
            }
        }))
    };
    assert!(poll(scoped(true).as_mut()).is_ready());
    assert_eq!(cause(taken(&kept)).await, None);

    let mut dropped = scoped(false);
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(cause(taken(&kept)).await, Some(Cause::Cancelled));

    let mut expired = scoped(false);
    assert!(poll(expired.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(poll(expired.as_mut()).is_ready());
    assert_eq!(cause(taken(&kept)).await, Some(Cause::Deadline));
}

/// The scope did not decide to stop: its request did.
#[tokio::test(start_paused = true)]
async fn children_of_a_scope_in_a_request_have_the_cause_of_the_request() {
    let kept = Kept::<Task>::default();
    let keeping = Arc::clone(&kept);
    let handler = move |_: Incoming| {
        let keeping = Arc::clone(&keeping);
        async move {
            let far = Deadline::after(now(), 10 * BUDGET);
            let scoped = scope(far, async {
                *keeping.lock().unwrap() = Some(spawn(pending()));
                pending::<()>().await;
            });
            let _ = scoped.await;
            pending::<Outcome>().await
        }
    };
    let service = DeadlineLayer::new(Policy::new()).layer(service_fn(handler));
    for (spent, stopped_for) in [(BUDGET, Cause::Deadline), (MS, Cause::ClientGone)] {
        let mut calling = call(&service, asking("300ms"));
        assert!(poll(calling.as_mut()).is_pending());
        advance(spent).await;
        let _ = poll(calling.as_mut());
        drop(calling);
        assert_eq!(cause(taken(&kept)).await, Some(stopped_for));
    }
}

/// A scope that ends is not the end of the request.
#[tokio::test(start_paused = true)]
async fn a_child_outlives_the_scopes_beside_it() {
    let kept = Kept::<Task>::default();
    let keeping = Arc::clone(&kept);
    let handler = move |_: Incoming| {
        *keeping.lock().unwrap() = Some(spawn(pending()));
        async move {
            scope(in_budget(), async {}).await.map_err(|_| ScriptedError)?;
            pending::<Outcome>().await
        }
    };
    let service = DeadlineLayer::new(Policy::new()).layer(service_fn(handler));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    settle().await;
    let child = taken(&kept);
    assert!(!child.is_finished());
    drop(calling);
    assert_eq!(cause(child).await, Some(Cause::ClientGone));
}

// R12
#[tokio::test(start_paused = true)]
async fn a_call_in_a_child_joins_the_timer_of_the_scope() {
    let kept = Kept::<Task>::default();
    let probe = Probe::default();
    let upstream = probe.clone();
    let client = PropagateLayer::new().layer(service_fn(move |_: Request<()>| upstream.watch(pending::<Outcome>())));
    let mut scoped = Box::pin(scope(in_budget(), async {
        let calling = client.clone().oneshot(Request::new(()));
        *kept.lock().unwrap() = Some(spawn(async { drop(calling.await) }));
        pending::<()>().await;
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    settle().await;
    assert_eq!((probe.in_flight(), armed()), (1, 1));
    advance(BUDGET).await;
    assert!(poll(scoped.as_mut()).is_ready());
    assert_eq!(cause(taken(&kept)).await, Some(Cause::Deadline));
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

/// The owner is polled only while its client reads, so what runs beside it looks for itself.
#[tokio::test(start_paused = true)]
async fn a_call_in_a_scope_in_a_child_needs_no_timer_of_its_own_after_the_head() {
    let client = PropagateLayer::new().layer(service_fn(|_: Request<()>| pending::<Outcome>()));
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let handler = move |_: Incoming| {
        let calling = client.clone().oneshot(Request::new(()));
        let far = Deadline::after(now(), 10 * BUDGET);
        *keeping.lock().unwrap() = Some(spawn(async move { drop(scope(far, calling).await) }));
        two_frames()
    };
    let service = DeadlineLayer::new(Policy::new()).layer(service_fn(handler));
    let unread = now_ready(poll(call(&service, asking("300ms")).as_mut()));
    settle().await;
    assert_eq!(armed(), 1);
    advance(BUDGET).await;
    assert_eq!(cause(taken(&kept)).await, Some(Cause::Deadline));
    assert_eq!(armed(), 0);
    drop(unread);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_in_the_drop_of_an_aborted_child() {
    let (deadline, probe) = (in_budget(), Probe::default());
    let watching = probe.clone();
    let _ = scope(deadline, async move {
        let child = spawn(watching.watch(pending::<()>()));
        settle().await;
        child.abort();
        settle().await;
    })
    .await;
    assert_eq!(probe.deadline_at_drop(), Some(deadline));
}
