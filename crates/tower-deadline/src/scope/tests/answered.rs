//! R18: what runs on beside a response whose head is out.

use super::*;
use crate::PropagateLayer;
use crate::testing::{asking, finished, plain, ready as now_ready};
use deadline_testkit::Step;
use std::future::ready as answer;
use tower::ServiceExt;

/// Calls a service that starts a child and answers at once with an event stream: the response, and the child.
async fn beside<F>(
    policy: Policy,
    request: Request<ScriptedBody>,
    child: impl Fn() -> F + Clone,
) -> (impl Sized, JoinHandle<Result<F::Output, RequestEnded>>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let handler = move |_: Incoming| {
        *keeping.lock().unwrap() = Some(spawn(child()));
        answer(Outcome::Ok(crate::testing::response("text/event-stream", [Step::Data("unread")])))
    };
    let service = DeadlineLayer::new(policy).layer(service_fn(handler));
    let response = now_ready(poll(call(&service, request).as_mut()));
    settle().await;
    (response, taken(&kept))
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_at_the_deadline_though_the_response_is_not_read() {
    let (response, child) = beside(Policy::new(), asking("300ms"), pending::<()>).await;
    assert_eq!(armed(), 1);
    advance(BUDGET - MS).await;
    settle().await;
    assert!(!child.is_finished());
    advance(MS).await;
    assert_eq!(finished(child).await.unwrap_err().cause(), Some(Cause::Deadline));
    assert_eq!(armed(), 0);
    drop(response);
}

fn by_default() -> Policy {
    Policy::new().default_timeout(BUDGET)
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_released_request_works_on_without_its_deadline() {
    let child = || async {
        let before = current();
        sleep(2 * BUDGET).await;
        let client = PropagateLayer::new().layer(service_fn(|request: Request<()>| {
            assert!(request.headers().is_empty(), "nothing is left to be sent");
            answer(Outcome::Ok(Response::new(ScriptedBody::full("charged"))))
        }));
        let called = client.oneshot(Request::new(())).await.is_ok();
        (before, current(), called, scope(in_budget(), sleep(MS)).await.is_ok())
    };
    let (response, child) = beside(by_default(), plain(), child).await;
    advance(2 * BUDGET).await;
    settle().await;
    advance(MS).await;
    assert_eq!(finished(child).await.unwrap(), (None, None, true, true));
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_released_request_ends_with_it_and_not_before() {
    let (response, child) = beside(by_default(), plain(), pending::<()>).await;
    assert_eq!(armed(), 0);
    advance(10 * BUDGET).await;
    settle().await;
    assert!(!child.is_finished());
    drop(response);
    assert_eq!(finished(child).await.unwrap_err().cause(), Some(Cause::ClientGone));
}

/// A scope that was to end with its request is on its own now, and so are the parts that relied on it.
#[tokio::test(start_paused = true)]
async fn what_is_bounded_within_a_scope_ends_also_when_the_request_was_released() {
    let deadline = in_budget();
    let journey = Journey::new(Policy::new().into(), false);
    journey.enforce(deadline);
    let mut request = Ambient::new(Some(deadline), Some(journey.clone()));
    let far = Deadline::after(now(), 10 * BUDGET);
    let silent = service_fn(|_: Request<()>| pending::<Outcome>());
    let client = PropagateLayer::new().timeout(2 * BUDGET).layer(silent);
    let mut scoped = Box::pin(request.run(|| {
        scope(far, async {
            sleep(MS).await;
            assert!(client.oneshot(Request::new(())).await.is_err());
            assert!(scope(Deadline::after(now(), 2 * BUDGET), pending::<()>()).await.is_err());
        })
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    journey.release();
    for spent in [MS, 2 * BUDGET - MS, MS, 2 * BUDGET - MS] {
        advance(spent).await;
        assert!(poll(scoped.as_mut()).is_pending());
    }
    advance(MS).await;
    assert!(matches!(poll(scoped.as_mut()), Poll::Ready(Ok(()))));
}
