//! The call and its response body end in time.

use super::*;
use crate::testing::{BUDGET, data, error, is_at_end, poll, poll_frame, ready as now_ready, response};
use crate::timer::tests::armed;
use crate::{BodyError, Covers, Exceeded, Mode, PropagateError, Stage, scope};
use deadline_testkit::Step;
use http_deadline::Ambient;
use std::future::pending;
use std::task::Poll;
use tokio::time::{advance, sleep};
use tower::service_fn;

async fn slow(_: Request<()>) -> Outcome {
    sleep(BUDGET).await;
    Ok(Response::new(ScriptedBody::full("charged")))
}

fn silent(
    probe: &Probe,
) -> impl Service<Request<()>, Response = Response<ScriptedBody>, Error = ScriptedError> + use<> {
    let probe = probe.clone();
    service_fn(move |_| probe.watch(pending::<Outcome>()))
}

#[track_caller]
fn reason<B>(polled: Poll<Result<B, PropagateError>>) -> Exceeded {
    match polled {
        Poll::Ready(Err(PropagateError::Exceeded(exceeded))) => exceeded,
        Poll::Ready(Err(error)) => panic!("{error:?}"),
        _ => panic!("not stopped"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_ends_at_the_deadline_and_not_before() {
    let probe = Probe::default();
    let mut client = PropagateLayer::new().layer(silent(&probe));
    let mut calling = send(&mut client, within(300));
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(299 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let reason = reason(poll(calling.as_mut()));
    assert_eq!((reason.stage(), reason.elapsed()), (Stage::Upstream, BUDGET));
    // Cancelled now, not when the caller drops the future.
    assert_eq!((probe.dropped(), armed()), (1, 0));
}

// R11
#[tokio::test(start_paused = true)]
async fn a_head_that_is_ready_at_the_very_instant_is_delivered() {
    let mut client = PropagateLayer::new().layer(service_fn(slow));
    let mut calling = send(&mut client, within(300));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    assert!(now_ready(poll(calling.as_mut())).status().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_at_once_arms_nothing() {
    let mut upstream = upstream(&PropagateLayer::new());
    let response = now_ready(poll(send(&mut upstream.client, within(300)).as_mut()));
    assert_eq!(armed(), 0);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_clients_own_ends_the_call() {
    let mut client = PropagateLayer::new().timeout(100 * MS).layer(silent(&Probe::default()));
    let line = line!() - 1;
    let mut calling = send(&mut client, within(300));
    assert!(poll(calling.as_mut()).is_pending());
    advance(100 * MS).await;
    let reason = reason(poll(calling.as_mut()));
    assert_eq!(reason.budget(), 100 * MS);
    assert_eq!(reason.origin().detail().to_string(), format!("{}:{line}", file!()));
}

#[tokio::test(start_paused = true)]
async fn the_response_body_ends_at_the_deadline_and_not_before() {
    let steps = [Step::Data("some"), Step::Wait, Step::Data("more"), Step::Stall];
    let mut upstream = answering(&PropagateLayer::new(), move || response("text/plain", steps.clone()));
    let mut body = now_ready(poll(send(&mut upstream.client, within(300)).as_mut())).into_body();
    assert_eq!(data(&mut body), "some");
    assert!(poll_frame(&mut body).is_pending());
    advance(299 * MS).await;
    assert_eq!(data(&mut body), "more");
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let BodyError::Exceeded(exceeded) = error(&mut body) else { panic!("another error") };
    assert_eq!(exceeded.stage(), Stage::Upstream);
    assert!(is_at_end(&mut body));
    assert_eq!(armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_stops_neither_call_nor_body() {
    let mut client = PropagateLayer::new().layer(service_fn(slow));
    let mut request = within(100);
    request.extensions_mut().insert(journey(Policy::new().mode(Mode::Observe)));
    let mut calling = send(&mut client, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 0);
    advance(BUDGET).await;
    assert_eq!(data(now_ready(poll(calling.as_mut())).body_mut()), "charged");
}

#[tokio::test(start_paused = true)]
async fn the_stage_is_open_while_the_head_is_waited_for() {
    let mut client = PropagateLayer::new().layer(service_fn(slow));
    let (mut request, journey) = (within(900), journey(Policy::new()));
    request.extensions_mut().insert(journey.clone());
    let mut calling = send(&mut client, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(journey.stage(), Stage::Upstream);
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(journey.stage(), Stage::Handler);
    drop(response);
    let calling = send(&mut client, within(900));
    drop(calling);
    assert_eq!(journey.stage(), Stage::Handler);
}

/// R21: of 40 ms that are kept back, 20 are for the answer to come back, and 20 to answer.
#[tokio::test(start_paused = true)]
async fn half_of_the_reserve_is_kept_back_from_the_wait() {
    let mut client = PropagateLayer::new().layer(silent(&Probe::default()));
    let mut request = within(300);
    request.extensions_mut().insert(journey(Policy::new().reserve(40 * MS)));
    let mut calling = send(&mut client, request);
    assert!(poll(calling.as_mut()).is_pending());
    advance(279 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let reason = reason(poll(calling.as_mut()));
    assert_eq!((reason.budget(), reason.elapsed()), (BUDGET, 280 * MS));
}

/// Once the head is out there is nothing left to answer, and nothing to keep time for.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_passed_on_has_the_whole_deadline() {
    for (passed_on, lasts) in [(false, 280), (true, 300)] {
        let mut upstream = answering(&PropagateLayer::new(), || response("text/plain", [Step::Stall]));
        let (mut request, journey) = (within(300), journey(Policy::new().reserve(40 * MS)));
        journey.enforce(Deadline::after(now(), BUDGET));
        request.extensions_mut().insert(journey.clone());
        let mut body = now_ready(poll(send(&mut upstream.client, request).as_mut())).into_body();
        assert!(poll_frame(&mut body).is_pending());
        if passed_on {
            journey.unwatch();
        }
        advance((lasts - 1) * MS).await;
        assert!(poll_frame(&mut body).is_pending());
        advance(MS).await;
        assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
        assert_eq!(armed(), 0);
    }
}

// R18
#[tokio::test(start_paused = true)]
async fn a_release_lets_go_of_what_was_inherited() {
    let steps = [Step::Wait, Step::Data("late")];
    let mut upstream = answering(&PropagateLayer::new(), move || response("text/event-stream", steps.clone()));
    let (mut request, journey) = (within(300), journey(Policy::new()));
    journey.enforce(Deadline::after(now(), BUDGET));
    request.extensions_mut().insert(journey.clone());
    let mut body = now_ready(poll(send(&mut upstream.client, request).as_mut())).into_body();
    journey.release();
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET).await;
    assert_eq!(data(&mut body), "late");
}

#[tokio::test(start_paused = true)]
async fn a_release_does_not_let_go_of_the_clients_own_limit() {
    let layer = PropagateLayer::new().timeout(100 * MS);
    let mut upstream = answering(&layer, || response("text/event-stream", [Step::Stall]));
    let (mut request, journey) = (within(300), journey(Policy::new()));
    request.extensions_mut().insert(journey.clone());
    let mut body = now_ready(poll(send(&mut upstream.client, request).as_mut())).into_body();
    journey.release();
    advance(100 * MS).await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
}

/// A released response asks for something anew: nobody else bounds that call.
#[tokio::test(start_paused = true)]
async fn a_call_made_after_the_release_keeps_its_own_deadline() {
    let released = journey(Policy::new().covers(Covers::Head));
    released.release();
    let mut around = Ambient::new(None, Some(released));
    let mut client = PropagateLayer::new().layer(silent(&Probe::default()));
    let mut calling = around.run(|| send(&mut client, within(300)));
    assert!(around.run(|| poll(calling.as_mut())).is_pending());
    advance(BUDGET).await;
    assert_eq!(reason(around.run(|| poll(calling.as_mut()))).stage(), Stage::Upstream);
}

/// In a scope, the scope is the owner: one timer for both.
#[tokio::test(start_paused = true)]
async fn a_call_within_a_scope_is_stopped_by_it() {
    let mut client = PropagateLayer::new().layer(silent(&Probe::default()));
    let mut scoped = Box::pin(scope(Deadline::after(now(), BUDGET), async {
        send(&mut client, Request::new(())).await.map(|_| ())
    }));
    assert!(poll(scoped.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(BUDGET).await;
    let Poll::Ready(Err(exceeded)) = poll(scoped.as_mut()) else { panic!("not ended") };
    assert_eq!(exceeded.stage(), Stage::Upstream);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_client_pass_with_their_type() {
    let mut failing = PropagateLayer::new().layer(service_fn(|_: Request<()>| ready(Outcome::Err(ScriptedError))));
    let Poll::Ready(Err(PropagateError::Inner(error))) = poll(send(&mut failing, within(300)).as_mut()) else {
        panic!("no error");
    };
    assert!(error.is::<ScriptedError>());
    let gate = Gate::default();
    gate.break_down();
    let handler = |_: Request<()>| ready(Outcome::Err(ScriptedError));
    let mut broken = PropagateLayer::new().layer(ScriptedService::new(gate, Probe::default(), handler));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(broken.poll_ready(&mut cx), Poll::Ready(Err(PropagateError::Inner(_)))));
}

#[tokio::test(start_paused = true)]
async fn the_error_is_found_by_its_type() {
    let mut client = PropagateLayer::new().layer(silent(&Probe::default()));
    let error = send(&mut client, within(0)).await.map(|_| ()).unwrap_err();
    assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Unsent));
}
