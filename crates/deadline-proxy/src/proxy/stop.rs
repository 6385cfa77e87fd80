//! What is under way when the patience of a drain has ended.
//!
//! Covers every request, with a deadline or without one: before its head it is answered (503, or code 14 of gRPC and
//! its kin), and after it its message is broken off in a way that nobody takes for its end, or ended in the words of its
//! protocol (R13). The upstream is let go, and the cause is `shutdown`, wherever causes are told. One that comes after
//! that is not called. Does not reach a body that is not read: its connection is closed by the listener.
//!
//! # Where it stands
//!
//! Inside of [`DeadlineLayer`](tower_deadline::DeadlineLayer), whose deadline is told of if there is one, and outside of
//! whatever waits.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::enforce::Status;
use tower_deadline::{AnswerBody, Answers, BodyError, Cause, Deadline, Exceeded, Journey, Stage, now};

use crate::access::Record;
use crate::count;
use crate::shutdown::Shutdown;

/// Layer of [`Stop`]. See the module.
#[derive(Clone, Debug)]
pub(super) struct StopLayer {
    shutdown: Shutdown,
    answers: Answers,
}

impl StopLayer {
    /// Stops what is under way when this begins, and answers in this way.
    pub(super) fn new(shutdown: Shutdown, answers: Answers) -> Self {
        Self { shutdown, answers }
    }
}

impl<S> Layer<S> for StopLayer {
    type Service = Stop<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stop { inner, layer: self.clone() }
    }
}

/// Stops requests at the end of a drain. See the module.
#[derive(Clone, Debug)]
pub(super) struct Stop<S> {
    inner: S,
    layer: StopLayer,
}

impl<S, RB, B> Service<Request<RB>> for Stop<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
    B: Body<Data = Bytes, Error = BodyError>,
{
    type Response = Response<AnswerBody<StopBody<B>>>;
    type Error = S::Error;
    type Future = StopFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let StopLayer { shutdown, answers } = &self.layer;
        let (call, version) = (Call::of(request.headers()), request.version());
        let stoppable = Stoppable::new(&request);
        let inner = if shutdown.has_begun() { None } else { Some(self.inner.call(request)) };
        let (begun, shutdown) = (shutdown.begun(), shutdown.clone());
        StopFuture { inner, begun, state: Some((stoppable, shutdown)), answers: answers.clone(), call, version }
    }
}

/// What is told of a request that is stopped.
#[derive(Debug)]
struct Stoppable {
    /// Of one without a deadline, when it came.
    granted: Result<Deadline, Instant>,
    journey: Option<Journey>,
    record: Option<Record>,
}

impl Stoppable {
    fn new<B>(request: &Request<B>) -> Self {
        let extensions = request.extensions();
        Self {
            granted: extensions.get().copied().ok_or_else(now),
            journey: extensions.get().cloned(),
            record: Record::of(extensions),
        }
    }

    /// Stopped in this stage, or in the one that is open.
    fn stop(&self, stage: Stage) -> Exceeded {
        let open = self.journey.as_ref().map(Journey::stage).filter(|stage| *stage != Stage::Handler);
        let stage = open.or_else(|| self.record.as_ref()?.open_stage()).unwrap_or(stage);
        if let Some(journey) = &self.journey {
            journey.stop(Cause::Shutdown);
        }
        self.record.iter().for_each(|record| record.stopped(stage, Cause::Shutdown));
        count::stopped_by_shutdown();
        let now = now();
        // Whoever had none is told of one that ends now.
        let deadline = self.granted.unwrap_or_else(|arrived| Deadline::at(now).arrived_at(arrived));
        Exceeded::new(deadline, stage, Cause::Shutdown, now)
    }
}

/// Future of [`Stop`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub(super) struct StopFuture<F> {
    /// `None` once it has answered, or where it is not asked.
    #[pin]
    inner: Option<F>,
    #[pin]
    begun: WaitForCancellationFutureOwned,
    /// `None` once it was handed on.
    state: Option<(Stoppable, Shutdown)>,
    answers: Answers,
    call: Call,
    version: Version,
}

impl<F, B, E> Future for StopFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error = BodyError>,
{
    type Output = Result<Response<AnswerBody<StopBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.state.is_none() {
            return Poll::Pending;
        }
        let is_called = this.inner.is_some();
        // A head that is there is delivered: its body is stopped, if it is to be.
        let polled = this.inner.as_mut().as_pin_mut().map_or(Poll::Pending, |inner| inner.poll(cx));
        if polled.is_pending() {
            ready!(this.begun.poll(cx));
        }
        let Some((stoppable, shutdown)) = this.state.take() else { return Poll::Pending };
        if let Poll::Ready(outcome) = polled {
            this.inner.set(None);
            let status = |response: &Response<B>| Status::of(response, *this.version);
            return Poll::Ready(outcome.map(|response| {
                let status = status(&response);
                response.map(|inner| AnswerBody::Inner(StopBody::new(inner, stoppable, &shutdown, status)))
            }));
        }
        let exceeded = stoppable.stop(if is_called { Stage::Handler } else { Stage::Arrival });
        // The exchange with the upstream ends before the client is told.
        this.inner.set(None);
        let answer = this.answers.exceeded(&exceeded, StatusCode::SERVICE_UNAVAILABLE, *this.call);
        Poll::Ready(Ok(answer.map(AnswerBody::from)))
    }
}

/// A response body that is passed on exactly (R14), until everything is stopped.
#[pin_project]
#[derive(Debug)]
pub(super) struct StopBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    #[pin]
    begun: WaitForCancellationFutureOwned,
    shutdown: Shutdown,
    stoppable: Stoppable,
    status: Status,
}

impl<B> StopBody<B> {
    fn new(inner: B, stoppable: Stoppable, shutdown: &Shutdown, status: Status) -> Self {
        Self { inner: Some(inner), begun: shutdown.begun(), shutdown: shutdown.clone(), stoppable, status }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError>> Body for StopBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        match inner.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                // The last one is all that there was to come, and one that never ends is always ready.
                let is_last = frame.is_trailers() || inner.is_end_stream();
                if is_last || !this.shutdown.has_begun() {
                    frame.data_ref().into_iter().for_each(|data| this.status.pass(data));
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
            Poll::Ready(ended) => {
                this.inner.set(None);
                return Poll::Ready(ended);
            }
            Poll::Pending => ready!(this.begun.poll(cx)),
        }
        let exceeded = this.stoppable.stop(Stage::ResponseBody);
        this.inner.set(None);
        Poll::Ready(this.status.tell(exceeded))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests;
