//! Blocking code works under the deadline of its request.

use super::*;
use http_deadline::Journey;
use tokio::runtime::Builder;

#[tokio::test]
async fn blocking_code_sees_the_deadline_and_spawns_children_of_the_request() {
    let deadline = in_budget();
    let outcome = scope(deadline, async {
        let journey = Ambient::current().journey().map(Journey::is_ended);
        let inside = spawn_blocking(move || {
            let within = (current(), Ambient::current().journey().map(Journey::is_ended));
            (within == (Some(deadline), journey), spawn(pending::<()>()))
        });
        inside.await.unwrap().unwrap()
    });
    let (same, child) = outcome.await.unwrap();
    assert!(same);
    assert_eq!(child.await.unwrap().unwrap_err().cause(), None, "it ended with its request, which ended well");
}

#[tokio::test]
async fn outside_of_any_request_it_is_plain_blocking_code() {
    assert_eq!(spawn_blocking(current).await.unwrap().unwrap(), None);
}

/// One thread for blocking code, and it is taken.
#[test]
fn blocking_code_that_comes_to_its_turn_too_late_does_not_run() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || released.recv());
        let kept = Kept::default();
        let scoped = scope(in_budget(), async { *kept.lock().unwrap() = Some(spawn_blocking(|| unreachable!())) });
        scoped.await.unwrap();
        drop(release);
        let _ = busy.await.unwrap();
        let outcome: Result<(), RequestEnded> = taken(&kept).await.unwrap();
        assert_eq!(outcome.unwrap_err().cause(), None);
    });
}

/// The request has expired, and nobody has acted on it yet.
#[tokio::test]
async fn blocking_code_does_not_run_once_the_deadline_has_passed() {
    let _entered = http_deadline::enter(Deadline::at(now()));
    let outcome: Result<(), RequestEnded> = spawn_blocking(|| unreachable!()).await.unwrap();
    assert_eq!(outcome.unwrap_err().cause(), Some(Cause::Deadline));
}

#[tokio::test]
async fn blocking_code_of_an_observed_request_runs_also_late() {
    let journey = Journey::new(Policy::new().mode(crate::Mode::Observe).into(), true);
    let mut around = Ambient::new(Some(Deadline::at(now())), Some(journey));
    assert_eq!(around.run(|| spawn_blocking(|| 7)).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn blocking_code_sees_that_its_request_was_cancelled() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let (tell_started, started) = std::sync::mpsc::channel::<()>();
    let kept = Kept::default();
    let scoped = scope(in_budget(), async {
        *kept.lock().unwrap() = Some(spawn_blocking(move || {
            let before = ended().is_none();
            drop(tell_started);
            let _ = told.recv();
            (before, ended().and_then(|ended| ended.cause()))
        }));
        pending::<()>().await;
    });
    let canceller = scoped.canceller();
    let mut scoped = Box::pin(scoped);
    assert!(poll(scoped.as_mut()).is_pending());
    let _ = started.recv();
    let _ = canceller.cancel("not wanted");
    drop(tell);
    assert_eq!(taken(&kept).await.unwrap().unwrap(), (true, Some(Cause::Cancelled)));
}
