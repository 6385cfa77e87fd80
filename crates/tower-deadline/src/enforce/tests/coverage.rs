//! R18: whose word covers the body.

use super::*;
use crate::testing::{BUDGET, call, data, error, journey, poll, poll_frame, ready as now_ready, under};
use crate::timer::tests::armed;
use crate::{BodyError, Covers, EnforcedBody, Policy, PropagateLayer, current};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::advance;
use tower::{ServiceExt, service_fn};

const STEPS: [Step; 4] = [Step::Data("early"), Step::Wait, Step::Data("late"), Step::Stall];

/// The body after its first frame, and after its deadline.
async fn expired(policy: Policy, client_asked: bool, content_type: &'static str) -> EnforcedBody<ScriptedBody> {
    let request = under(policy, client_asked);
    let service = streaming(content_type, STEPS);
    let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
    assert_eq!(data(&mut body), "early");
    assert!(poll_frame(&mut body).is_pending());
    advance(BUDGET).await;
    body
}

#[tokio::test(start_paused = true)]
async fn what_the_client_asked_for_covers_every_body() {
    for content_type in ["text/plain", "text/event-stream", "application/grpc", "application/grpc-web"] {
        let mut body = expired(Policy::new().covers(Covers::Head), true, content_type).await;
        assert!(matches!(error(&mut body), BodyError::Exceeded(_)), "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_default_alone_covers_a_body_that_is_not_long_lived() {
    let mut body = expired(Policy::new(), false, "text/plain").await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
    let mut body = expired(Policy::new().covers(Covers::Body), false, "text/event-stream").await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
}

#[tokio::test(start_paused = true)]
async fn a_default_alone_leaves_long_lived_bodies_and_what_the_route_excepts() {
    let long_lived = ["text/event-stream", "application/grpc", "application/grpc-web+proto"];
    let cases = long_lived.map(|content_type| (Policy::new(), content_type));
    for (policy, content_type) in cases.into_iter().chain([(Policy::new().covers(Covers::Head), "text/plain")]) {
        let mut body = expired(policy, false, content_type).await;
        assert_eq!(data(&mut body), "late", "{content_type}");
        advance(10 * BUDGET).await;
        assert!(poll_frame(&mut body).is_pending());
        assert_eq!(armed(), 0);
    }
}

/// A timer that the head had armed is of no use to a body that is not covered.
#[tokio::test(start_paused = true)]
async fn a_release_disarms() {
    let slow = |_: Incoming| async {
        tokio::time::sleep(BUDGET / 2).await;
        Outcome::Ok(crate::testing::response("text/event-stream", STEPS))
    };
    let mut calling = call(&enforced(&Probe::default(), slow), under(Policy::new(), false));
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(BUDGET / 2).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(armed(), 0);
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn after_a_release_no_deadline_is_ambient() {
    let request = under(Policy::new(), false);
    let journey = journey(&request);
    let inner = ScriptedBody::new(STEPS);
    let probe = inner.probe();
    let inner = std::sync::Mutex::new(Some(inner));
    let service = EnforceLayer::new().layer(service_fn(|_: Incoming| {
        assert!(current().is_some());
        let mut response = Response::new(inner.lock().unwrap().take().unwrap());
        response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        ready(Outcome::Ok(response))
    }));
    let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
    assert_eq!(data(&mut body), "early");
    assert_eq!(probe.deadline_at_poll(), None);
    assert!(journey.is_released());
}

/// A body that is read from upstream, as a proxy or a handler passes it on.
#[tokio::test(start_paused = true)]
async fn what_is_read_from_upstream_is_not_cut_in_a_released_response() {
    let upstream = PropagateLayer::new().layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, ScriptedError>(crate::testing::response("text/event-stream", STEPS)))
    }));
    for (content_type, is_cut) in [("text/event-stream", false), ("text/plain", true)] {
        let upstream = upstream.clone();
        let service = EnforceLayer::new().layer(service_fn(move |_: Incoming| {
            let calling = upstream.clone().oneshot(Request::new(()));
            async move {
                let mut response = calling.await?;
                response.headers_mut().insert("content-type", content_type.parse().unwrap());
                Ok::<_, crate::PropagateError>(response)
            }
        }));
        let request = under(Policy::new(), false);
        let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
        assert_eq!(data(&mut body), "early");
        assert!(poll_frame(&mut body).is_pending());
        assert_eq!(armed(), usize::from(is_cut), "one for what is read and what is written");
        advance(BUDGET).await;
        assert_eq!(matches!(poll_frame(&mut body), Poll::Ready(Some(Err(_)))), is_cut);
    }
}

/// A body that makes a scope of its own for each frame, as one does that asks a database for each.
struct Scoped;

impl Body for Scoped {
    type Data = bytes::Bytes;
    type Error = crate::Exceeded;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let deadline = crate::Deadline::after(crate::now(), std::time::Duration::ZERO);
        let scope = std::pin::pin!(crate::scope(deadline, pending::<()>()));
        scope.poll(cx).map(|outcome| outcome.err().map(Err))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_made_in_a_released_response_still_ends() {
    let policy = Policy::new().covers(Covers::Head);
    let service =
        EnforceLayer::new().layer(service_fn(|_: Incoming| ready(Ok::<_, ScriptedError>(Response::new(Scoped)))));
    let mut body = now_ready(poll(call(&service, under(policy, false)).as_mut())).into_body();
    assert!(matches!(error(&mut body), BodyError::Inner(_)));
}
