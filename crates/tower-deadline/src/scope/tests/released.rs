//! What has a limit of its own ends by it, whatever becomes of the request around.

use super::*;
use crate::PropagateLayer;
use crate::testing::{finished, plain};
use deadline_testkit::Step;
use http_deadline::Journey;
use tower::ServiceExt;

/// Whether a child with a limit of its own ends, where the inner of two layers releases its response first, and then the
/// outer one does.
async fn ends(with_scope: bool, around: Duration) -> bool {
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let handler = move |_: Request<WatchedBody<WatchedBody<ScriptedBody>>>| {
        let child = spawn(async move {
            if with_scope {
                scope(Deadline::after(now(), 10 * BUDGET), pending::<()>()).await.is_err()
            } else {
                let silent = service_fn(|_: Request<()>| pending::<Outcome>());
                PropagateLayer::new().timeout(10 * BUDGET).layer(silent).oneshot(Request::new(())).await.is_err()
            }
        });
        *keeping.lock().unwrap() = Some(child);
        async {
            sleep(MS).await;
            Outcome::Ok(crate::testing::response("text/event-stream", [Step::Data("unread")]))
        }
    };
    let inner = DeadlineLayer::new(Policy::new().default_timeout(BUDGET)).layer(service_fn(handler));
    // Something between the layers that takes its time after the inner head.
    let slow = service_fn(move |request: Incoming| {
        let inner = inner.clone();
        async move {
            let head = inner.oneshot(request).await;
            sleep(MS).await;
            head
        }
    });
    let outer = DeadlineLayer::new(Policy::new().default_timeout(around)).layer(slow);
    let response = tokio::spawn(outer.oneshot(plain()));
    settle().await;
    advance(MS).await;
    settle().await;
    advance(MS).await;
    let response = finished(response).await.unwrap();
    let child = taken(&kept);
    advance(20 * BUDGET).await;
    settle().await;
    let done = child.is_finished();
    drop(response);
    done
}

#[tokio::test(start_paused = true)]
async fn a_scope_of_a_child_ends_where_two_layers_release_their_responses() {
    assert!(ends(true, 2 * BUDGET).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_child_ends_where_two_layers_release_their_responses() {
    assert!(ends(false, 2 * BUDGET).await);
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_at_its_own_limit_before_the_outer_deadline() {
    assert!(ends(true, 11 * BUDGET).await && ends(false, 11 * BUDGET).await);
}

#[tokio::test(start_paused = true)]
async fn after_a_release_a_scope_tells_of_its_own_budget() {
    let deadline = in_budget();
    let journey = Journey::new(Policy::new().into(), false);
    journey.enforce(deadline);
    let mut request = Ambient::new(Some(deadline), Some(journey.clone()));
    let mut scoped = Box::pin(request.run(|| scope(Deadline::after(now(), 10 * BUDGET), pending::<()>())));
    assert!(poll(scoped.as_mut()).is_pending());
    journey.release();
    advance(10 * BUDGET).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!((exceeded.budget(), exceeded.elapsed()), (10 * BUDGET, 10 * BUDGET));
}
