//! R20: waiting for the inner service to be ready.

use super::*;
use crate::testing::{BUDGET, MS, call, journey, plain, poll, ready as now_ready, stage, within};
use crate::timer::tests::armed;
use crate::{BoxError, Stage};
use std::time::Duration;
use tokio::time::advance;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before() {
    let (gate, probe) = (Gate::closed(), Probe::default());
    let mut waiting = call(&behind(&gate, &probe, prompt), within(BUDGET));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(BUDGET - MS).await;
    assert!(poll(waiting.as_mut()).is_pending());
    advance(MS).await;
    // Open at the very instant is too late: what is called then could only be dropped.
    gate.open();
    assert_eq!(stage(poll(waiting.as_mut())), Stage::Queue);
    assert_eq!((probe.called(), armed()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_in_time_leads_to_the_call() {
    let (gate, probe) = (Gate::closed(), Probe::default());
    let mut waiting = call(&behind(&gate, &probe, prompt), within(BUDGET));
    assert!(poll(waiting.as_mut()).is_pending());
    advance(BUDGET - MS).await;
    gate.open();
    assert!(now_ready(poll(waiting.as_mut())).status().is_success());
    assert_eq!((probe.called(), armed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_spent_waiting_is_not_granted_again() {
    let (gate, probe) = (Gate::closed(), Probe::default());
    let mut waiting = call(&behind(&gate, &probe, silent), within(BUDGET));
    assert!(poll(waiting.as_mut()).is_pending());
    advance(200 * MS).await;
    gate.open();
    assert!(poll(waiting.as_mut()).is_pending());
    advance(99 * MS).await;
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(MS).await;
    assert_eq!(stage(poll(waiting.as_mut())), Stage::Handler);
}

/// Whose readiness took too long, measured by the clock and not by how often it was asked.
#[derive(Clone)]
struct Sluggish(Probe);

impl Service<Incoming> for Sluggish {
    type Response = Response<ScriptedBody>;
    type Error = ScriptedError;
    type Future = deadline_testkit::Probed<Ready<Outcome>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), ScriptedError>> {
        // The first poll moves the clock.
        let _ = poll(Box::pin(advance(BUDGET / 2)).as_mut());
        if crate::current().is_some() { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
    }

    fn call(&mut self, _: Incoming) -> Self::Future {
        self.0.watch(ready(Ok(Response::new(ScriptedBody::full("too late")))))
    }
}

// R10
#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_too_late_is_not_called() {
    let probe = Probe::default();
    let request = within(BUDGET);
    let mut calling = call(&EnforceLayer::new().layer(Sluggish(probe.clone())), request);
    assert_eq!(stage(poll(calling.as_mut())), Stage::Queue);
    assert_eq!(probe.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_stage_is_closed_when_the_call_begins() {
    let gate = Gate::closed();
    let handler = |request: Incoming| {
        assert_eq!(journey(&request).stage(), Stage::Handler);
        prompt(request)
    };
    let mut waiting = call(&behind(&gate, &Probe::default(), handler), within(BUDGET));
    assert!(poll(waiting.as_mut()).is_pending());
    gate.open();
    assert!(now_ready(poll(waiting.as_mut())).status().is_success());
}

/// The inner service panics if another instance than the one that was polled is called.
#[tokio::test(start_paused = true)]
async fn the_instance_that_was_polled_is_the_one_that_is_called() {
    let (gate, probe) = (Gate::closed(), Probe::default());
    let mut service = behind(&gate, &probe, prompt);
    for _ in 0..2 {
        gate.close();
        service.ready().await.unwrap();
        let mut waiting = Box::pin(service.call(within(BUDGET)));
        assert!(poll(waiting.as_mut()).is_pending());
        gate.open();
        assert!(now_ready(poll(waiting.as_mut())).status().is_success());
    }
    assert_eq!(probe.called(), 2);
}

/// A derived `Clone` took the readiness along, and the clone called what was never ready.
#[tokio::test(start_paused = true)]
async fn a_clone_has_to_become_ready_by_itself() {
    let probe = Probe::default();
    let mut original = enforced(&probe, prompt);
    original.ready().await.unwrap();
    let mut clone = original.clone();
    clone.ready().await.unwrap();
    assert!(clone.call(plain()).await.unwrap().status().is_success());
    assert!(original.call(plain()).await.unwrap().status().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_place_in_the_queue_is_kept() {
    let handler = service_fn(|_: Incoming| async {
        tokio::time::sleep(100 * MS).await;
        Ok::<_, BoxError>(Response::new(ScriptedBody::full("in time")))
    });
    let service = ServiceBuilder::new()
        .layer(EnforceLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(handler);
    let mut calls: Vec<_> = (0..4).map(|_| call(&service, within(BUDGET))).collect();
    // Each is polled in every round, and the last one first: the order of arrival decides, not that of polling.
    for waiting in &mut calls {
        assert!(poll(waiting.as_mut()).is_pending());
    }
    for served in [1, 2] {
        advance(100 * MS).await;
        let done = calls.iter_mut().rev().filter_map(|waiting| match poll(waiting.as_mut()) {
            std::task::Poll::Ready(response) => Some(response.unwrap().status()),
            std::task::Poll::Pending => None,
        });
        assert_eq!(done.collect::<Vec<_>>(), [http::StatusCode::OK], "round {served}");
        calls.remove(0);
        for waiting in &mut calls {
            assert!(poll(waiting.as_mut()).is_pending());
        }
    }
    advance(100 * MS).await;
    // The third was called 200 ms after its arrival and is ready at the very instant; the fourth never was.
    assert!(now_ready(poll(calls[0].as_mut())).status().is_success());
    assert_eq!(stage(poll(calls[1].as_mut())), Stage::Queue);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_services_readiness_passes_at_once_or_later() {
    let gate = Gate::closed();
    let mut service = behind(&gate, &Probe::default(), prompt);
    service.ready().await.unwrap();
    let mut waiting = Box::pin(service.call(within(BUDGET)));
    assert!(poll(waiting.as_mut()).is_pending());
    gate.break_down();
    assert!(matches!(poll(waiting.as_mut()), std::task::Poll::Ready(Err(ScriptedError))));
    assert_eq!(service.ready().await.err(), Some(ScriptedError));
    assert_eq!(armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_it_waits_as_long_as_it_takes() {
    let gate = Gate::closed();
    let mut waiting = call(&behind(&gate, &Probe::default(), prompt), plain());
    assert!(poll(waiting.as_mut()).is_pending());
    advance(Duration::from_secs(3_600)).await;
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(armed(), 0);
    gate.open();
    assert!(now_ready(poll(waiting.as_mut())).status().is_success());
}
