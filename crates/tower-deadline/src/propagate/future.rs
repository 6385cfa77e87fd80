//! From the call to the response head.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Response, StatusCode, Version};
use http_deadline::dialect::trail::Trail;
use http_deadline::dialect::{Call, Found};
use http_deadline::{Cause, Dialects, Exceeded, Journey, OriginKind, Stage, StageGuard};
use pin_project::pin_project;

use super::PropagateError;
use super::bounds::Bounds;
use super::service::heard_around;
use super::trace::{Calling, Telling, within};
use crate::answer::Undressed;
use crate::trace::CallSpan;
use crate::watch::Watch;
use crate::{BoxError, WatchedBody, grpc};

/// The response of [`Propagate`](super::Propagate). Dropping it cancels the call.
#[pin_project]
#[derive(Debug)]
pub struct PropagateFuture<F> {
    /// Dropped before what it tells of.
    span: Option<CallSpan>,
    #[pin]
    state: State<F>,
    dialects: Arc<Dialects>,
    call: Call,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
enum State<F> {
    Sent {
        #[pin]
        inner: F,
        bounds: Option<Bounds>,
        watch: Option<Watch>,
        open: Option<StageGuard>,
        telling: Option<Telling>,
    },
    /// `None` once it was told.
    Unsent(Option<PropagateError>),
}

impl<F> PropagateFuture<F> {
    pub(super) fn new(
        call: Call,
        dialects: Arc<Dialects>,
        prepared: Result<Option<Bounds>, PropagateError>,
        (telling, span): (Option<Telling>, Option<CallSpan>),
        send: impl FnOnce() -> F,
    ) -> Self {
        let state = match prepared {
            Ok(bounds) => {
                let _within = span.as_ref().and_then(CallSpan::enter);
                let open = open(bounds.as_ref());
                let inner = match &telling {
                    Some(telling) => within(Calling::of(telling), send),
                    None => send(),
                };
                State::Sent { inner, watch: bounds.as_ref().and_then(Bounds::watch), bounds, open, telling }
            }
            Err(error) => State::Unsent(Some(error)),
        };
        Self { span, state, dialects, call }
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
        let _within = this.span.as_ref().and_then(CallSpan::enter);
        let mut outcome = match this.state.as_mut().project() {
            StateProjection::Unsent(error) => match error.take() {
                Some(error) => Err(error),
                None => return Poll::Pending,
            },
            StateProjection::Sent { inner, bounds, watch, telling, .. } => match polled(inner, telling.as_ref(), cx) {
                // R11: value before timer.
                Poll::Ready(Ok(head)) => {
                    let mut head = deliver(head, bounds.take(), watch.take(), this.dialects);
                    head.body_mut().tell_to(telling.take());
                    Ok(head)
                }
                Poll::Ready(Err(error)) => Err(failed(error.into(), *this.call, bounds.as_ref())),
                Poll::Pending => match expired(bounds.as_ref(), watch, cx) {
                    Some(error) => Err(error),
                    None => return Poll::Pending,
                },
            },
        };
        if let Some(span) = this.span.take() {
            span.came_to(&mut outcome);
        }
        // Whatever was sent is cancelled now, not when the caller drops this future.
        this.state.set(State::Unsent(None));
        if let (Call::Grpc, Err(PropagateError::Exceeded(exceeded))) = (*this.call, &outcome) {
            outcome = Ok(told(exceeded));
        }
        Poll::Ready(outcome)
    }
}

/// A call without a deadline is a stage too, where somebody listens.
fn open(bounds: Option<&Bounds>) -> Option<StageGuard> {
    let enter = |journey: &Journey| journey.enter(Stage::Upstream);
    match bounds {
        Some(bounds) => bounds.journey().map(enter),
        None => heard_around().as_ref().map(enter),
    }
}

fn polled<F, T, E>(inner: Pin<&mut F>, telling: Option<&Telling>, cx: &mut Context<'_>) -> Poll<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    match telling {
        Some(telling) => telling.poll(|| inner.poll(cx)),
        None => inner.poll(cx),
    }
}

/// A call of gRPC is told in its own words, as by the hop that it did not reach. To its clients an error of
/// ours would be UNKNOWN.
fn told<B>(exceeded: &Exceeded) -> Response<WatchedBody<B>> {
    let mut answer = grpc::answer(exceeded).map(|_| WatchedBody::empty());
    answer.extensions_mut().insert(Undressed);
    answer
}

/// R24: a call of gRPC that fails once its deadline has passed was cancelled for that, as by a client's own timer. In
/// the time that is reserved, a connection that fails has still failed.
fn failed(error: BoxError, call: Call, bounds: Option<&Bounds>) -> PropagateError {
    match bounds {
        Some(bounds) if call == Call::Grpc && bounds.has_passed() && (bounds.is_over() || !is_io(&*error)) => {
            PropagateError::Exceeded(bounds.exceeded(Stage::Upstream))
        }
        _ => PropagateError::Inner(error),
    }
}

fn is_io(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<std::io::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn expired(bounds: Option<&Bounds>, watch: &mut Option<Watch>, cx: &mut Context<'_>) -> Option<PropagateError> {
    let (bounds, watch) = bounds.zip(watch.as_mut())?;
    let expired = watch.poll_expired(cx).is_ready();
    expired.then(|| PropagateError::Exceeded(bounds.exceeded(watch.exceeded(Stage::Upstream).stage())))
}

/// The head as the caller gets it, with its body under the deadline.
pub(crate) fn deliver<B>(
    mut head: Response<B>,
    bounds: Option<Bounds>,
    watch: Option<Watch>,
    dialects: &Dialects,
) -> Response<WatchedBody<B>> {
    // R9: a request's field has no business in a response.
    let found = dialects.find(head.headers());
    dialects.strip_found(head.headers_mut(), found);
    let is_grpc = bounds.is_some() && found.call() == Call::Grpc;
    if let Some(bounds) = &bounds {
        blame(&mut head, bounds, found);
    }
    tell_answer(head.headers(), bounds.as_ref());
    // R13: trailers end a message over HTTP/2 only. Elsewhere one that is cut has to look so.
    let in_trailers = is_grpc && head.version() >= Version::HTTP_2;
    let told = bounds.as_ref().filter(|_| in_trailers).and_then(Bounds::told);
    let journey = bounds.and_then(Bounds::into_journey);
    head.map(|body| WatchedBody::new(body, watch, journey, Stage::Upstream).with_status(told))
}

/// Whoever listens hears of an answer, also of one to a call without a deadline.
fn tell_answer(fields: &HeaderMap, bounds: Option<&Bounds>) {
    match bounds.and_then(Bounds::journey) {
        Some(journey) => journey.tell_answer(fields),
        None => heard_around().iter().for_each(|journey| journey.tell_answer(fields)),
    }
}

/// Whose deadline it was that a hop downstream reports (R23, R24), and what it has told.
fn blame<B>(head: &mut Response<B>, bounds: &Bounds, found: Found) {
    if let Some(told) = if found.call() == Call::Grpc { bounds.told() } else { None } {
        told.correct(head.headers_mut());
    }
    let report = found.has_grpc_status().then(|| grpc::report(head.headers()));
    let (is_exceeded, is_exhausted) = report.unwrap_or_default();
    let reports = head.status() == StatusCode::GATEWAY_TIMEOUT || is_exceeded;
    // A hop may tell of overload where it had no connection in time. Only the field says that it was our deadline.
    let may_report = reports || head.status() == StatusCode::SERVICE_UNAVAILABLE || is_exhausted;
    if !may_report {
        return;
    }
    // Who was not sent our deadline has nothing to tell of it.
    let trail = Trail::read(head.headers()).filter(|_| bounds.has_reached());
    if reports && bounds.has_passed() || trail.as_ref().is_some_and(is_ours) {
        let exceeded = bounds.exceeded(Stage::Upstream);
        head.extensions_mut().insert(match trail {
            Some(trail) => exceeded.with_trail(trail),
            None => exceeded,
        });
    }
}

/// Whether the deadline that was enforced downstream is the one that we sent.
fn is_ours(trail: &Trail) -> bool {
    trail.origin() == OriginKind::Header && trail.cause() == Cause::Deadline
}
