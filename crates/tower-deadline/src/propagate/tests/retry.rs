//! R22: each attempt is a call, and has a field of its own.

use super::*;
use crate::testing::{poll, ready as now_ready};
use crate::{Exceeded, PropagateError, Stage};
use std::pin::Pin;
use std::task::Poll;
use tokio::time::{Sleep, advance, sleep};
use tower::ServiceBuilder;
use tower::retry::{Policy as Retry, RetryLayer};

/// Tries again after a pause, whatever happened.
#[derive(Clone)]
struct Again;

impl<B> Retry<Request<()>, B, PropagateError> for Again {
    type Future = Pin<Box<Sleep>>;

    fn retry(&mut self, _: &mut Request<()>, outcome: &mut Result<B, PropagateError>) -> Option<Self::Future> {
        matches!(outcome, Err(PropagateError::Inner(_))).then(|| Box::pin(sleep(100 * MS)))
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_writes_a_fresh_and_smaller_field_until_nothing_is_left() {
    let sent = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&sent);
    let failing = tower::service_fn(move |request: Request<()>| {
        let fields: Vec<_> = request.headers().get_all("x-request-timeout").iter().collect();
        assert_eq!(fields.len(), 1);
        kept.lock().unwrap().push(fields[0].to_str().unwrap().to_owned());
        ready(Outcome::Err(ScriptedError))
    });
    let service = ServiceBuilder::new().layer(RetryLayer::new(Again)).layer(PropagateLayer::new()).service(failing);
    let mut calling = crate::testing::call(&service, within(250));
    for _ in 0..3 {
        assert!(poll(calling.as_mut()).is_pending());
        advance(100 * MS).await;
    }
    let Poll::Ready(Err(error)) = poll(calling.as_mut()) else { panic!("not ended") };
    assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Unsent));
    assert_eq!(*sent.lock().unwrap(), ["250ms", "150ms", "50ms"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeds_is_the_last_one() {
    let mut upstream = upstream(&PropagateLayer::new());
    now_ready(poll(send(&mut upstream.client, within(250)).as_mut()));
    assert_eq!(upstream.probe.called(), 1);
}
