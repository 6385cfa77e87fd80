//! A deadline that does not count, because its request is released or only observed, is nobody's reason.

use super::*;
use crate::testing::{BUDGET, data, poll, poll_frame, ready as now_ready, response, trailers};
use crate::timer::tests::armed;
use crate::{Mode, PropagateError, WatchedBody};
use deadline_testkit::Step;
use http_deadline::Ambient;
use std::task::Poll;
use tokio::time::{advance, sleep};

fn grpc(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

fn over_http2(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    let mut response = response("application/grpc", steps);
    *response.version_mut() = http::Version::HTTP_2;
    response
}

/// What an observing policy makes of a failure after the deadline.
async fn observed(fails: bool) -> Result<Response<WatchedBody<ScriptedBody>>, PropagateError> {
    let mut client = PropagateLayer::new().layer(tower::service_fn(move |request: Request<()>| async move {
        assert!(!request.headers().contains_key("grpc-timeout"), "nothing is left to be told");
        sleep(MS).await;
        if fails {
            return Outcome::Err(ScriptedError);
        }
        let mut head = response("application/grpc", []);
        head.headers_mut().insert("grpc-status", "1".parse().unwrap());
        Ok(head)
    }));
    let observed = journey(Policy::new().mode(Mode::Observe));
    let mut around = Ambient::new(Some(Deadline::after(now(), std::time::Duration::ZERO)), Some(observed));
    let mut calling = around.run(|| send(&mut client, grpc(Request::new(()))));
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    calling.await
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_leaves_an_error_as_it_is() {
    let outcome = observed(true).await;
    assert!(matches!(outcome, Err(PropagateError::Inner(_))), "{:?}", outcome.map(|head| head.headers().clone()));
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_leaves_a_status_as_it_is() {
    assert_eq!(observed(false).await.unwrap().headers()["grpc-status"], "1");
}

/// What the caller sees of these steps of a stream whose request is released after the first.
async fn released(
    steps: impl IntoIterator<Item = Step> + Clone + Send + 'static,
) -> Poll<Option<Result<HeaderMap, ()>>> {
    let (deadline, journey) = (Deadline::after(now(), BUDGET), journey(Policy::new()));
    journey.enforce(deadline);
    let mut around = Ambient::new(Some(deadline), Some(journey.clone()));
    let mut upstream = answering(&PropagateLayer::new(), move || over_http2(steps.clone()));
    let head = around.run(|| now_ready(poll(send(&mut upstream.client, grpc(Request::new(()))).as_mut())));
    let mut body = head.into_body();
    data(&mut body);
    journey.release();
    advance(100 * BUDGET).await;
    poll_frame(&mut body)
        .map(|frame| frame.map(|frame| frame.map(|frame| frame.into_trailers().unwrap()).map_err(|_| ())))
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_released_stream_stays_one() {
    let frame = released([Step::Data("one"), Step::Error]).await;
    assert!(matches!(frame, Poll::Ready(Some(Err(())))), "{frame:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_of_a_released_stream_stays_as_it_is() {
    match released([Step::Data("one"), Step::Trailers(trailers("grpc-status", "1"))]).await {
        Poll::Ready(Some(Ok(fields))) => assert_eq!(fields["grpc-status"], "1"),
        other => panic!("{other:?}"),
    }
}

/// A client's call of gRPC in a request that is released before it ends.
async fn ends_late(own: Option<u32>, fails_after: u32) -> Result<Response<WatchedBody<ScriptedBody>>, PropagateError> {
    let (deadline, journey) = (Deadline::after(now(), BUDGET), journey(Policy::new()));
    journey.enforce(deadline);
    let mut around = Ambient::new(Some(deadline), Some(journey.clone()));
    let layer = own.map_or_else(PropagateLayer::new, |own| PropagateLayer::new().timeout(own * MS));
    let mut client = layer.layer(tower::service_fn(move |_| async move {
        sleep(fails_after * MS).await;
        Outcome::Err(ScriptedError)
    }));
    let mut calling = around.run(|| send(&mut client, grpc(Request::new(()))));
    assert!(poll(calling.as_mut()).is_pending());
    journey.release();
    calling.await
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_released_request_that_fails_has_failed() {
    assert!(matches!(ends_late(None, 900).await, Err(PropagateError::Inner(_))));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_its_own_that_outlasts_a_release_is_the_one_that_is_told() {
    let head = ends_late(Some(600), 900).await.unwrap();
    assert_eq!(head.headers()["grpc-message"], "deadline of 600 ms exceeded in stage upstream");
}

/// The head is out, so the call has a timer of its own, and then nothing to wait for.
#[tokio::test(start_paused = true)]
async fn no_timer_is_armed_after_a_release() {
    let (deadline, journey) = (Deadline::after(now(), BUDGET), journey(Policy::new()));
    journey.enforce(deadline);
    journey.unwatch();
    let mut around = Ambient::new(Some(deadline), Some(journey.clone()));
    let mut client = PropagateLayer::new().layer(tower::service_fn(|_| std::future::pending::<Outcome>()));
    let mut calling = around.run(|| send(&mut client, Request::new(())));
    assert!(around.run(|| poll(calling.as_mut()).is_pending()));
    assert_eq!(armed(), 1);
    journey.release();
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 0);
}
