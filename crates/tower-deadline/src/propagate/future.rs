//! From the call to the response head.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use http_deadline::dialect::{Call, GRPC_STATUS};
use http_deadline::{Cause, Dialects, OriginKind, Stage, StageGuard};
use pin_project::pin_project;

use super::PropagateError;
use super::bounds::Bounds;
use crate::watch::Watch;
use crate::{BoxError, WatchedBody, now};

/// gRPC's CANCELLED and DEADLINE_EXCEEDED.
const CANCELLED: &str = "1";
const EXCEEDED: &str = "4";

/// The response of [`Propagate`](super::Propagate). Dropping it cancels the call.
#[pin_project]
#[derive(Debug)]
pub struct PropagateFuture<F> {
    #[pin]
    state: State<F>,
    dialects: Arc<Dialects>,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a call that is sent is the common one, and is not worth an allocation")]
enum State<F> {
    Sent {
        #[pin]
        inner: F,
        bounds: Option<Bounds>,
        watch: Option<Watch>,
        open: Option<StageGuard>,
    },
    /// `None` once it was told.
    Unsent(Option<PropagateError>),
}

impl<F> PropagateFuture<F> {
    pub(super) fn sent(bounds: Option<Bounds>, dialects: Arc<Dialects>, call: impl FnOnce() -> F) -> Self {
        let open = bounds.as_ref().and_then(Bounds::journey).map(|journey| journey.enter(Stage::Upstream));
        let state = State::Sent { inner: call(), watch: bounds.as_ref().and_then(Bounds::watch), bounds, open };
        Self { state, dialects }
    }

    pub(super) fn unsent(error: PropagateError, dialects: Arc<Dialects>) -> Self {
        Self { state: State::Unsent(Some(error)), dialects }
    }
}

impl<F, B, E> Future for PropagateFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<WatchedBody<B>>, PropagateError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().project() {
            StateProjection::Unsent(error) => error.take().map(Err),
            StateProjection::Sent { inner, bounds, watch, .. } => match inner.poll(cx) {
                // R11: value before timer.
                Poll::Ready(outcome) => {
                    let deliver = |head| deliver(head, bounds.take(), watch.take(), this.dialects);
                    Some(outcome.map(deliver).map_err(|error| PropagateError::Inner(error.into())))
                }
                Poll::Pending => expired(watch, cx).map(Err),
            },
        };
        let Some(outcome) = outcome else { return Poll::Pending };
        // Whatever was sent is cancelled now, not when the caller drops this future.
        this.state.set(State::Unsent(None));
        Poll::Ready(outcome)
    }
}

fn expired(watch: &mut Option<Watch>, cx: &mut Context<'_>) -> Option<PropagateError> {
    let watch = watch.as_mut()?;
    let expired = watch.poll_expired(cx).is_ready();
    expired.then(|| PropagateError::Exceeded(watch.exceeded(Stage::Upstream)))
}

/// The head as the caller gets it, with its body under the deadline.
pub(crate) fn deliver<B>(
    mut head: Response<B>,
    bounds: Option<Bounds>,
    watch: Option<Watch>,
    dialects: &Dialects,
) -> Response<WatchedBody<B>> {
    // R9: a request's field has no business in a response.
    dialects.strip(head.headers_mut());
    if let Some(bounds) = &bounds {
        blame(&mut head, bounds);
    }
    let journey = bounds.as_ref().and_then(Bounds::journey).cloned();
    head.map(|body| WatchedBody::new(body, watch, journey, Stage::Upstream))
}

/// Whose deadline it was that a hop downstream reports (R23, R24).
fn blame<B>(head: &mut Response<B>, bounds: &Bounds) {
    let passed = bounds.sent().is_expired(now());
    if passed && is_status(head.headers(), CANCELLED) && Call::of(head.headers()) == Call::Grpc {
        head.headers_mut().insert(GRPC_STATUS.clone(), HeaderValue::from_static(EXCEEDED));
    }
    let reports = head.status() == StatusCode::GATEWAY_TIMEOUT || is_status(head.headers(), EXCEEDED);
    if reports && (passed || is_ours(head.headers())) {
        head.extensions_mut().insert(bounds.exceeded(Stage::Upstream));
    }
}

/// Whether the deadline that was enforced downstream is the one that we sent.
fn is_ours(headers: &HeaderMap) -> bool {
    let trail = headers.get(&DEADLINE_EXCEEDED).and_then(|field| Trail::parse(field.as_bytes()));
    trail.is_some_and(|trail| trail.origin() == OriginKind::Header && trail.cause() == Cause::Deadline)
}

fn is_status(headers: &HeaderMap, status: &str) -> bool {
    headers.get(&GRPC_STATUS).is_some_and(|value| value == status)
}
