//! R18, R21: the caller's own limit holds, whatever becomes of the deadline around the call.

use super::*;
use crate::testing::{BUDGET, error, poll, poll_frame, ready as now_ready, response};
use crate::{BodyError, Mode, PropagateError};
use deadline_testkit::Step;
use http_deadline::Ambient;
use std::future::pending;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::advance;

/// Makes a call within a request of 300 ms, and lets go of that one; the body has to end at `limit` all the same.
async fn ends_at(limit: Duration, layer: PropagateLayer, call: Request<()>) {
    let (deadline, journey) = (Deadline::after(now(), BUDGET), journey(Policy::new()));
    journey.enforce(deadline);
    let mut around = Ambient::new(Some(deadline), Some(journey.clone()));
    let mut upstream = answering(&layer, || response("text/event-stream", [Step::Stall]));
    let calling = around.run(|| now_ready(poll(send(&mut upstream.client, call).as_mut())));
    let mut body = calling.into_body();
    assert!(poll_frame(&mut body).is_pending());
    journey.release();
    advance(limit - MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
}

async fn is_stopped_at<B>(limit: Duration, mut calling: Pin<&mut impl Future<Output = Result<B, PropagateError>>>) {
    assert!(poll(calling.as_mut()).is_pending());
    advance(limit - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    assert!(matches!(poll(calling), Poll::Ready(Err(PropagateError::Exceeded(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_sooner_deadline_of_the_calls_own_outlasts_the_release() {
    ends_at(100 * MS, PropagateLayer::new(), within(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_later_limit_of_the_clients_own_outlasts_the_release() {
    ends_at(2 * BUDGET, PropagateLayer::new().timeout(2 * BUDGET), Request::new(())).await;
}

/// What was enforced until the release binds nothing that is called after it.
#[tokio::test(start_paused = true)]
async fn a_later_deadline_of_a_call_made_after_the_release_is_kept() {
    let released = journey(Policy::new());
    released.enforce(Deadline::after(now(), BUDGET));
    released.release();
    let silent = tower::service_fn(|_: Request<()>| pending::<Outcome>());
    let mut around = Ambient::new(None, Some(released));
    let mut calling = around.run(|| send(&mut PropagateLayer::new().layer(silent), within(900)));
    is_stopped_at(900 * MS, calling.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_clients_own_is_kept_in_an_observed_request() {
    for (own, around) in [(100 * MS, BUDGET), (BUDGET, 100 * MS)] {
        let silent = tower::service_fn(|_: Request<()>| pending::<Outcome>());
        let mut client = PropagateLayer::new().timeout(own).layer(silent);
        let observed = journey(Policy::new().mode(Mode::Observe));
        let mut around = Ambient::new(Some(Deadline::after(now(), around)), Some(observed));
        let mut calling = around.run(|| send(&mut client, Request::new(())));
        is_stopped_at(own, calling.as_mut()).await;
    }
}

/// The reserve is that of one hop, however many layers are passed on the way out of it.
#[tokio::test(start_paused = true)]
async fn two_layers_write_the_sooner_limit_less_one_reserve() {
    for (outer, inner) in [(100, 300), (300, 100)] {
        let layer = |timeout: u32| PropagateLayer::new().timeout(timeout * MS);
        let Upstream { client, sent, .. } = upstream(&layer(inner));
        let mut request = Request::new(());
        request.extensions_mut().insert(journey(Policy::new().reserve(20 * MS)));
        now_ready(poll(send(&mut layer(outer).layer(client), request).as_mut()));
        assert_eq!(sent.lock().unwrap()[0]["x-request-timeout"], "80ms", "{outer} around {inner}");
    }
}
