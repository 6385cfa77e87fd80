//! §5: the ambient deadline is there in everything that runs within the request.

use super::*;
use crate::testing::{BUDGET, MS, call, data, error, poll, poll_frame, ready as now_ready, under, within};
use crate::{Deadline, Policy, current, now, remaining};
use http_deadline::{Ambient, enter};
use std::sync::{Arc, Mutex};
use tokio::time::advance;
use tower::service_fn;

#[tokio::test(start_paused = true)]
async fn is_there_in_the_call_and_in_the_future_and_gone_between() {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let see = Arc::clone(&seen);
    let service = enforced(&Probe::default(), move |_: Incoming| {
        see.lock().unwrap().push((current(), remaining()));
        let see = Arc::clone(&see);
        async move {
            see.lock().unwrap().push((current(), remaining()));
            tokio::task::yield_now().await;
            see.lock().unwrap().push((current(), remaining()));
            Outcome::Ok(Response::new(ScriptedBody::full("")))
        }
    });
    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    let mut calling = call(&service, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(current(), None);
    advance(100 * MS).await;
    now_ready(poll(calling.as_mut()));
    assert_eq!(current(), None);
    let at_call = (deadline, Some(BUDGET));
    assert_eq!(*seen.lock().unwrap(), [at_call, at_call, (deadline, Some(200 * MS))]);
}

#[tokio::test(start_paused = true)]
async fn is_there_while_the_service_becomes_ready() {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let see = Arc::clone(&seen);
    #[derive(Clone)]
    struct Looking(Arc<Mutex<Vec<Option<Deadline>>>>);
    impl tower::Service<Incoming> for Looking {
        type Response = Response<ScriptedBody>;
        type Error = ScriptedError;
        type Future = Ready<Outcome>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), ScriptedError>> {
            self.0.lock().unwrap().push(current());
            std::task::Poll::Pending
        }

        fn call(&mut self, _: Incoming) -> Self::Future {
            unreachable!()
        }
    }
    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    let mut calling = call(&EnforceLayer::new().layer(Looking(see)), request);
    assert!(poll(calling.as_mut()).is_pending());
    // Once before there is a request, once within it.
    assert_eq!(*seen.lock().unwrap(), [None, deadline]);
}

#[tokio::test(start_paused = true)]
async fn is_there_in_each_poll_of_the_response_body_and_in_its_drop() {
    let inner = ScriptedBody::new([Step::Data("some"), Step::Stall]);
    let probe = inner.probe();
    let inner = Mutex::new(Some(inner));
    let service = EnforceLayer::new()
        .layer(service_fn(|_: Incoming| ready(Outcome::Ok(Response::new(inner.lock().unwrap().take().unwrap())))));
    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
    data(&mut body);
    assert_eq!(probe.deadline_at_poll(), deadline);
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET).await;
    error(&mut body);
    assert_eq!(probe.deadline_at_drop(), deadline);
}

#[tokio::test(start_paused = true)]
async fn is_there_when_the_future_is_dropped_whoever_drops_it() {
    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    let at_deadline = Probe::default();
    let mut calling = call(&enforced(&at_deadline, silent), request);
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    now_ready(poll(calling.as_mut()));
    assert_eq!(at_deadline.deadline_at_drop(), deadline);

    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    let by_client = Probe::default();
    let mut calling = call(&enforced(&by_client, silent), request);
    assert!(poll(calling.as_mut()).is_pending());
    drop(calling);
    assert_eq!(by_client.deadline_at_drop(), deadline);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_half_way_sees_it_too() {
    let inner = ScriptedBody::new([Step::Stall]);
    let probe = inner.probe();
    let inner = Mutex::new(Some(inner));
    let service = EnforceLayer::new()
        .layer(service_fn(|_: Incoming| ready(Outcome::Ok(Response::new(inner.lock().unwrap().take().unwrap())))));
    let request = within(BUDGET);
    let deadline = request.extensions().get::<Deadline>().copied();
    drop(now_ready(poll(call(&service, request).as_mut())));
    assert_eq!(probe.deadline_at_drop(), deadline);
}

#[tokio::test(start_paused = true)]
async fn an_ambient_deadline_around_the_call_is_kept_where_it_is_sooner() {
    for (around, within_request) in [(100 * MS, 100 * MS), (400 * MS, BUDGET)] {
        let handler = |request: Incoming| {
            let extension = request.extensions().get::<Deadline>().copied();
            assert_eq!(current(), extension);
            silent(request)
        };
        let request = within(BUDGET);
        let mut calling = call(&enforced(&Probe::default(), handler), request);
        {
            let _entered = enter(Deadline::after(now(), around));
            assert!(poll(calling.as_mut()).is_pending());
        }
        advance(within_request - MS).await;
        assert!(poll(calling.as_mut()).is_pending());
        advance(MS).await;
        assert_eq!(crate::testing::exceeded(&now_ready(poll(calling.as_mut()))).budget(), within_request);
    }
}

#[tokio::test(start_paused = true)]
async fn the_journey_is_ambient_too() {
    let handler = |request: Incoming| {
        let ambient = Ambient::current();
        assert!(ambient.journey().is_some_and(|journey| journey.client_asked()));
        prompt(request)
    };
    now_ready(poll(call(&enforced(&Probe::default(), handler), under(Policy::new(), true)).as_mut()));
}
