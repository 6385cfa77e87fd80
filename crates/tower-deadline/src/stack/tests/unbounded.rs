//! A request without a deadline: it has what it asks for, and what it asks for ends with it.

use crate::testing::{BUDGET, asking, call, data, finished, plain, poll, ready as now_ready, settle};
use crate::{
    Cause, Deadline, DeadlineLayer, EnforceLayer, Journey, Mode, Policy, WatchedBody, current, ended, now, spawn,
};
use deadline_testkit::{ScriptedBody, ScriptedError};
use http::{Request, Response};
use http_deadline::Ambient;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use tokio::time::advance;
use tower::{ServiceBuilder, service_fn};

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

fn layer() -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().named("unbounded"))
}

fn answer() -> Outcome {
    Ok(Response::new(ScriptedBody::full("in time")))
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_in_the_extensions_where_there_is_no_deadline() {
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(|request: Incoming| {
        let bounded = request.headers().contains_key("x-request-timeout");
        let extensions = request.extensions();
        assert_eq!(extensions.get::<Deadline>().is_some(), bounded);
        assert_eq!(extensions.get::<Journey>().is_some(), bounded);
        assert_eq!(current().is_some(), bounded);
        ready(answer())
    }));
    now_ready(poll(call(&service, plain()).as_mut()));
    now_ready(poll(call(&service, asking("1s")).as_mut()));
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_with_its_request_when_the_client_goes() {
    let task = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&task);
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(move |_: Incoming| {
        *kept.lock().unwrap() = Some(spawn(pending::<()>()));
        pending::<Outcome>()
    }));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    let task = task.lock().unwrap().take().unwrap();
    settle().await;
    assert!(!task.is_finished());
    drop(calling);
    assert_eq!(finished(task).await.unwrap_err().cause(), Some(Cause::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_task_lives_as_long_as_the_response_body() {
    let task = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&task);
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(move |_: Incoming| {
        *kept.lock().unwrap() = Some(spawn(pending::<()>()));
        ready(answer())
    }));
    let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
    let task = task.lock().unwrap().take().unwrap();
    assert_eq!(data(&mut body), "in time");
    settle().await;
    assert!(!task.is_finished());
    drop(body);
    assert_eq!(finished(task).await.unwrap_err().cause(), None, "the body was read");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_finds_one_journey_under_the_policy_of_the_layer() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&found);
    let service = ServiceBuilder::new().layer(layer()).service(service_fn(move |_: Incoming| {
        let ask = || Ambient::current().journey().cloned().unwrap();
        kept.lock().unwrap().push(ask());
        let kept = Arc::clone(&kept);
        async move {
            kept.lock().unwrap().push(ask());
            answer()
        }
    }));
    let response = now_ready(poll(call(&service, plain()).as_mut()));
    let [first, second] = found.lock().unwrap().clone().try_into().unwrap();
    assert!(first.is_unwatched() && !first.is_ended(), "the head is out, the body is not");
    drop(response);
    assert!(first.is_ended() && second.is_ended());
    assert_eq!(first.policy().name().as_str(), "unbounded");
}

/// Asks for the cause of its request when it is dropped, which is the first time that anybody asks.
struct Asks(Arc<Mutex<Vec<Option<Cause>>>>);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(ended().and_then(|ended| ended.cause()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_first_learns_that_the_client_is_gone() {
    for policy in [Policy::new(), Policy::new().default_timeout(BUDGET)] {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let asks = Arc::clone(&told);
        let handler = move |_: Incoming| {
            let asks = Asks(Arc::clone(&asks));
            async move {
                let _asks = asks;
                pending::<Outcome>().await
            }
        };
        let service = ServiceBuilder::new().layer(DeadlineLayer::new(policy)).service(service_fn(handler));
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        drop(calling);
        assert_eq!(*told.lock().unwrap(), [Some(Cause::ClientGone)]);
    }
}

/// Not of this request: a copy that could make a journey would make another one.
#[tokio::test(start_paused = true)]
async fn a_copy_that_was_taken_before_anybody_asked_makes_no_journey() {
    let mut whole = Ambient::unbounded(Arc::new(Policy::new()));
    let mut copy = whole.run(Ambient::as_it_is);
    assert!(copy.make().is_none() && whole.make().is_some());
}

fn observing() -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().mode(Mode::Observe))
}

// What is only observed stops nothing, whoever stands further in.
#[tokio::test(start_paused = true)]
async fn a_layer_without_a_deadline_of_its_own_does_not_enforce_what_is_observed() {
    let outer = DeadlineLayer::new(Policy::new().default_timeout(BUDGET).mode(Mode::Observe));
    let service = ServiceBuilder::new()
        .layer(outer)
        .layer(DeadlineLayer::new(Policy::new()))
        .service(service_fn(|_: Request<WatchedBody<WatchedBody<ScriptedBody>>>| pending::<Outcome>()));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(poll(calling.as_mut()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn an_enforcer_under_an_observing_layer_enforces_nothing() {
    let put = |mut request: Incoming| {
        request.extensions_mut().insert(Deadline::after(now(), BUDGET));
        request
    };
    let service = ServiceBuilder::new()
        .layer(observing())
        .map_request(put)
        .layer(EnforceLayer::new())
        .service(service_fn(|_: Request<WatchedBody<WatchedBody<ScriptedBody>>>| pending::<Outcome>()));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(poll(calling.as_mut()).is_pending());
}
