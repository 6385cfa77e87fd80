use super::*;
use crate::testing::{BUDGET, MS, asking, call, data, error, is_at_end, plain, poll, ready as now_ready, settle};
use crate::timer::tests::armed;
use crate::{DeadlineLayer, DeadlineService, OriginKind, Stage, WatchedBody, current, remaining};
use deadline_testkit::{Probe, ScriptedBody, ScriptedError, Step};
use http::{Request, Response};
use std::future::{pending, ready as answer};
use std::sync::Mutex;
use tokio::time::{advance, sleep};
use tower::util::ServiceFn;
use tower::{Layer, service_fn};

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Task = JoinHandle<Result<(), RequestEnded>>;

fn in_budget() -> Deadline {
    Deadline::after(now(), BUDGET)
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let probe = Probe::default();
    let mut scoped = Box::pin(scope(in_budget(), probe.watch(pending::<()>())));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(BUDGET - MS).await;
    assert!(poll(scoped.as_mut()).is_pending());
    advance(MS).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!((exceeded.stage(), exceeded.cause()), (Stage::Handler, Cause::Deadline));
    assert_eq!((exceeded.budget(), exceeded.elapsed()), (BUDGET, BUDGET));
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

// R11
#[tokio::test(start_paused = true)]
async fn a_value_that_is_ready_at_the_very_instant_is_delivered() {
    for spent in [BUDGET - MS, BUDGET] {
        let mut scoped = Box::pin(scope(in_budget(), sleep(spent)));
        assert!(poll(scoped.as_mut()).is_pending());
        advance(spent).await;
        assert!(matches!(poll(scoped.as_mut()), Poll::Ready(Ok(()))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_within_a_scope_takes_the_sooner() {
    for (outer, inner) in [(BUDGET, 2 * BUDGET), (2 * BUDGET, BUDGET)] {
        let start = now();
        let outer = Deadline::after(start, outer);
        let outcome = scope(outer, async {
            let inner = scope(Deadline::after(start, inner), async {
                assert_eq!(remaining(), Some(BUDGET));
                pending::<()>().await;
            });
            inner.await.map_err(|exceeded| exceeded.budget())
        });
        let ended = match outcome.await {
            Ok(inner) => inner.err(),
            Err(exceeded) => Some(exceeded.budget()),
        };
        assert_eq!((ended, now() - start), (Some(BUDGET), BUDGET));
    }
}

/// A scope that shortens nothing is stopped by the one around it.
#[tokio::test(start_paused = true)]
async fn one_timer_is_enough_for_scopes_within_each_other() {
    let mut scoped =
        Box::pin(scope(in_budget(), async { scope(Deadline::after(now(), 2 * BUDGET), pending::<()>()).await }));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(armed(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_open_stage_is_reported() {
    let mut scoped = Box::pin(scope(in_budget(), async {
        let ambient = Ambient::current();
        let _open = ambient.journey().map(|journey| journey.enter(Stage::Database));
        pending::<()>().await;
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    advance(BUDGET).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!(exceeded.stage(), Stage::Database);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_in_the_polls_and_in_the_drop() {
    let (deadline, probe) = (in_budget(), Probe::default());
    let mut scoped = Box::pin(scope(deadline, probe.watch(pending::<()>())));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(current(), None);
    drop(scoped);
    assert_eq!(probe.deadline_at_drop(), Some(deadline));
}

// Children

type Kept<T> = Arc<Mutex<Option<T>>>;

fn taken<T>(kept: &Kept<T>) -> T {
    kept.lock().unwrap().take().expect("nothing was kept")
}

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
    task.await.unwrap().unwrap_err().cause()
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
    assert_eq!(taken(&kept).await.unwrap(), Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_child_of_nothing_is_a_plain_task() {
    let child = spawn(async {
        sleep(100 * BUDGET).await;
        current()
    });
    assert_eq!(child.await.unwrap(), Ok(None));
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

// Detached

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
    assert!(detached.await.unwrap().unwrap() <= Some(BUDGET));

    let task = detach(BUDGET, pending::<()>());
    let exceeded = task.await.unwrap().unwrap_err();
    assert_eq!(exceeded.origin().kind(), OriginKind::Code);
    assert_eq!(exceeded.origin().detail().to_string(), format!("{}:{}", file!(), line + 5));
}
