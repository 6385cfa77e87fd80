//! R1, R18: owners within each other. Each ends what it is polled for, and none decides for another.

use super::*;
use crate::testing::{
    BUDGET, MS, call, error, exceeded, finished, journey, plain, poll, poll_frame, ready as now_ready, settle, stage,
    under, within,
};
use crate::timer::tests::armed;
use crate::{BodyError, Covers, DeadlineLayer, Mode, Policy, Stage};
use std::sync::Mutex;
use tokio::time::{advance, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A request that two layers have in their custody.
type Twice = Request<WatchedBody<WatchedBody<ScriptedBody>>>;

/// As a layer does that keeps work going when its client leaves.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_carried_on_in_another_task_ends_there_too() {
    let inner = EnforceLayer::new().layer(service_fn(|_: Twice| pending::<Outcome>()));
    for is_left in [false, true] {
        let task = Mutex::new(None);
        let shield = EnforceLayer::new().layer(service_fn(|request: Incoming| {
            *task.lock().unwrap() = Some(tokio::spawn(inner.clone().oneshot(request)));
            pending::<Outcome>()
        }));
        let mut calling = call(&shield, within(BUDGET));
        assert!(poll(calling.as_mut()).is_pending());
        settle().await;
        assert_eq!(armed(), 1, "the outer owner's, as long as that one looks");
        let outer = (!is_left).then_some(calling);
        advance(BUDGET - MS).await;
        settle().await;
        let task = task.lock().unwrap().take().unwrap();
        assert!(!task.is_finished());
        advance(MS).await;
        if let Some(mut calling) = outer {
            assert_eq!(stage(poll(calling.as_mut())), Stage::Handler);
        }
        assert_eq!(exceeded(&finished(task).await.unwrap()).elapsed(), BUDGET);
        assert_eq!(armed(), 0);
    }
}

/// What the outer layer only looks at does not become a limit because a layer further in enforces its own.
#[tokio::test(start_paused = true)]
async fn an_observed_deadline_is_not_enforced_further_in() {
    let observing = DeadlineLayer::new(Policy::new().named("outer").default_timeout(BUDGET).mode(Mode::Observe));
    let enforcing = DeadlineLayer::new(Policy::new().named("inner").default_timeout(2 * BUDGET));
    let service = ServiceBuilder::new().layer(observing).layer(enforcing);
    let mut calling = call(&service.service(service_fn(|_: Twice| pending::<Outcome>())), plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(2 * BUDGET - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(exceeded(&response).origin().detail().to_string(), "inner");
}

/// The outer policy covers every body, the inner one would let go of an event stream.
#[tokio::test(start_paused = true)]
async fn only_the_owner_of_a_deadline_releases_it() {
    let inner = ScriptedBody::new([Step::Stall]);
    let (probe, inner) = (inner.probe(), Mutex::new(Some(inner)));
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Policy::new().default_timeout(BUDGET).covers(Covers::Body)))
        .layer(DeadlineLayer::new(Policy::new().default_timeout(2 * BUDGET)))
        .service(service_fn(|_: Twice| {
            let mut response = crate::testing::response("text/event-stream", []);
            *response.body_mut() = inner.lock().unwrap().take().unwrap();
            ready(Outcome::Ok(response))
        }));
    let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
    assert!(poll_frame(&mut body).is_pending());
    assert_eq!(probe.deadline_at_poll().map(|deadline| deadline.budget()), Some(BUDGET));
    advance(BUDGET).await;
    error(&mut body);
}

/// The other way round: the outer one lets go of its own deadline, which is the later one.
#[tokio::test(start_paused = true)]
async fn a_release_further_out_keeps_the_sooner_deadline_further_in() {
    let kept = Mutex::new(None);
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Policy::new().default_timeout(2 * BUDGET)))
        .layer(DeadlineLayer::new(Policy::new().default_timeout(BUDGET).covers(Covers::Body)))
        .service(service_fn(|request: Twice| {
            *kept.lock().unwrap() = Some(request.into_body());
            ready(Outcome::Ok(crate::testing::response("text/event-stream", [Step::Stall])))
        }));
    let mut request = plain();
    *request.body_mut() = ScriptedBody::new([Step::Stall]);
    let response = now_ready(poll(call(&service, request).as_mut()));
    let mut body = kept.lock().unwrap().take().unwrap();
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET - MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let BodyError::Exceeded(exceeded) = error(&mut body) else { panic!("another error") };
    assert_eq!(exceeded.budget(), BUDGET);
    drop(response);
}

/// A handler that asks a second service, which has a layer of its own, before it answers.
#[tokio::test(start_paused = true)]
async fn a_second_owner_ends_its_part_and_not_the_whole() {
    let part = Mutex::new(None);
    let second = EnforceLayer::new().layer(service_fn(|request: Twice| {
        *part.lock().unwrap() = Some(journey(&request));
        ready(Outcome::Ok(Response::new(ScriptedBody::full("not read"))))
    }));
    let first = EnforceLayer::new().layer(service_fn(|request: Incoming| {
        let asking = second.clone().oneshot(request);
        async {
            drop(asking.await?);
            sleep(MS).await;
            Outcome::Ok(Response::new(ScriptedBody::full("")))
        }
    }));
    let request = under(Policy::new(), true);
    let whole = journey(&request);
    let mut calling = call(&first, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert!(part.lock().unwrap().take().unwrap().is_ended());
    assert_eq!((whole.is_ended(), whole.cause()), (false, None));
    advance(MS).await;
    drop(now_ready(poll(calling.as_mut())));
    assert_eq!((whole.is_ended(), whole.cause()), (true, None));
}
