//! The request body, in the handler and beside it.

use super::*;
use crate::testing::{
    BUDGET, MS, call, data, finished, journey, poll, poll_frame, ready as now_ready, settle, stage, under, within,
};
use crate::timer::tests::armed;
use crate::{BodyError, Covers, Policy, Stage};
use http_body_util::BodyExt;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio::time::advance;

type Read = Result<Vec<u8>, BodyError>;
type Kept<T> = Arc<Mutex<Option<T>>>;

async fn read(body: WatchedBody<ScriptedBody>) -> Read {
    Ok(body.collect().await?.to_bytes().to_vec())
}

/// Answers with what it read.
async fn reading(request: Incoming) -> Outcome {
    read(request.into_body()).await.map_err(|_| ScriptedError)?;
    Ok(Response::new(ScriptedBody::full("read")))
}

fn sending(body: ScriptedBody, mut request: Request<ScriptedBody>) -> Request<ScriptedBody> {
    *request.body_mut() = body;
    request
}

/// A handler that lets another task read the body, and answers with these steps.
fn delegating(
    steps: impl IntoIterator<Item = Step> + Clone,
) -> (impl Fn(Incoming) -> Ready<Outcome> + Clone, Kept<JoinHandle<Read>>) {
    let task = Kept::default();
    let kept = Arc::clone(&task);
    let handler = move |request: Incoming| {
        *kept.lock().unwrap() = Some(tokio::spawn(read(request.into_body())));
        ready(Ok(Response::new(ScriptedBody::new(steps.clone()))))
    };
    (handler, task)
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let body = ScriptedBody::new([Step::Data("some"), Step::Stall]);
    let probe = body.probe();
    let mut calling = call(&enforced(&Probe::default(), reading), sending(body, within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1, "one timer for head and body");
    advance(BUDGET - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    assert_eq!(stage(poll(calling.as_mut())), Stage::RequestBody);
    assert!(probe.is_dropped());
    assert_eq!(armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_in_time_is_read() {
    let body = ScriptedBody::new([Step::Wait, Step::Data("all")]);
    let mut calling = call(&enforced(&Probe::default(), reading), sending(body, within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET - MS).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
}

/// A handler that turns the body's error into an answer must not get ahead of the 504.
#[tokio::test(start_paused = true)]
async fn a_handler_that_forgives_does_not_hide_the_deadline() {
    let forgiving = |request: Incoming| async {
        let _ = read(request.into_body()).await;
        Outcome::Ok(Response::new(ScriptedBody::full("read what there was")))
    };
    let body = ScriptedBody::new([Step::Stall]);
    let mut calling = call(&enforced(&Probe::default(), forgiving), sending(body, within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert_eq!(stage(poll(calling.as_mut())), Stage::RequestBody);
}

#[tokio::test(start_paused = true)]
async fn the_stage_is_open_only_while_a_frame_is_waited_for() {
    let half = |request: Incoming| async {
        let mut body = request.into_body();
        body.frame().await;
        pending::<Outcome>().await
    };
    let body = ScriptedBody::new([Step::Wait, Step::Data("half"), Step::Stall]);
    let request = sending(body, under(Policy::new(), true));
    let journey = journey(&request);
    let mut calling = call(&enforced(&Probe::default(), half), request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(journey.stage(), Stage::RequestBody);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(journey.stage(), Stage::Handler);
}

// R12
#[tokio::test(start_paused = true)]
async fn a_body_in_another_task_is_woken_when_the_owners_timer_fires() {
    let task = Kept::default();
    let kept = Arc::clone(&task);
    let handler = move |request: Incoming| {
        *kept.lock().unwrap() = Some(tokio::spawn(read(request.into_body())));
        pending::<Outcome>()
    };
    let body = ScriptedBody::new([Step::Stall]);
    let mut calling = call(&enforced(&Probe::default(), handler), sending(body, within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    settle().await;
    assert_eq!(armed(), 1, "the owner's alone");
    let task = task.lock().unwrap().take().unwrap();
    advance(BUDGET - MS).await;
    settle().await;
    assert!(!task.is_finished());
    advance(MS).await;
    assert_eq!(stage(poll(calling.as_mut())), Stage::RequestBody);
    let Err(BodyError::Exceeded(exceeded)) = finished(task).await else { panic!("read to its end") };
    assert_eq!(exceeded.stage(), Stage::RequestBody);
    assert_eq!(armed(), 0);
}

// R12
#[tokio::test(start_paused = true)]
async fn a_body_that_outlives_its_owner_arms_a_timer_of_its_own() {
    let (handler, task) = delegating([]);
    let body = ScriptedBody::new([Step::Stall]);
    let request = sending(body, within(BUDGET));
    drop(now_ready(poll(call(&enforced(&Probe::default(), handler), request).as_mut())));
    settle().await;
    assert_eq!(armed(), 1);
    let task = task.lock().unwrap().take().unwrap();
    advance(BUDGET - MS).await;
    settle().await;
    assert!(!task.is_finished());
    advance(MS).await;
    assert!(matches!(finished(task).await, Err(BodyError::Exceeded(_))));
    assert_eq!(armed(), 0);
}

/// A slow reader keeps the owner from being polled; what runs beside it must not wait for that.
#[tokio::test(start_paused = true)]
async fn a_body_in_another_task_ends_though_the_response_is_not_read() {
    let (handler, task) = delegating([Step::Data("unread")]);
    let body = ScriptedBody::new([Step::Stall]);
    let request = sending(body, within(BUDGET));
    let unread = now_ready(poll(call(&enforced(&Probe::default(), handler), request).as_mut()));
    settle().await;
    advance(BUDGET).await;
    settle().await;
    let task = task.lock().unwrap().take().unwrap();
    assert!(task.is_finished());
    assert!(matches!(finished(task).await, Err(BodyError::Exceeded(_))));
    drop(unread);
}

/// The same, for a body that began to wait before the head was out.
#[tokio::test(start_paused = true)]
async fn a_body_that_joined_the_heads_timer_ends_though_the_response_is_not_read() {
    let task = Kept::default();
    let kept = Arc::clone(&task);
    let handler = move |request: Incoming| {
        *kept.lock().unwrap() = Some(tokio::spawn(read(request.into_body())));
        async {
            tokio::time::sleep(100 * MS).await;
            Outcome::Ok(Response::new(ScriptedBody::new([Step::Data("unread")])))
        }
    };
    let body = ScriptedBody::new([Step::Stall]);
    let mut calling = call(&enforced(&Probe::default(), handler), sending(body, within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    settle().await;
    advance(100 * MS).await;
    let unread = now_ready(poll(calling.as_mut()));
    settle().await;
    advance(200 * MS).await;
    settle().await;
    assert!(task.lock().unwrap().take().unwrap().is_finished());
    drop(unread);
}

/// Calls a service that keeps the request's body, and answers at once: the body and the response.
fn kept(request: Request<ScriptedBody>) -> (WatchedBody<ScriptedBody>, impl Sized) {
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let handler = move |request: Incoming| {
        *keeping.lock().unwrap() = Some(request.into_body());
        ready(Ok(Response::new(ScriptedBody::new([Step::Stall]))))
    };
    let response = now_ready(poll(call(&enforced(&Probe::default(), handler), request).as_mut()));
    let body = kept.lock().unwrap().take().unwrap();
    (body, response)
}

// R18
#[tokio::test(start_paused = true)]
async fn a_body_of_a_released_request_is_read_to_its_end() {
    let body = ScriptedBody::new([Step::Wait, Step::Data("late")]);
    let (mut body, response) = kept(sending(body, under(Policy::new().covers(Covers::Head), false)));
    assert!(poll_frame(&mut body).is_pending());
    advance(10 * BUDGET).await;
    assert_eq!(data(&mut body), "late");
    assert_eq!(armed(), 0);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_ready_at_the_very_instant_is_not_yielded() {
    for (spent, is_late) in [(BUDGET - MS, false), (BUDGET, true), (BUDGET + MS, true)] {
        let (mut body, response) = kept(sending(ScriptedBody::full("frame"), within(BUDGET)));
        advance(spent).await;
        let frame = poll_frame(&mut body);
        assert_eq!(matches!(frame, std::task::Poll::Ready(Some(Err(_)))), is_late, "{frame:?}");
        drop(response);
    }
}
