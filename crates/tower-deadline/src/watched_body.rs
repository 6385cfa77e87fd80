//! A body that is read under a deadline that somebody else enforces, or it itself: a request's on its way in,
//! a response's on its way back from an outgoing call.
//!
//! Covers the end at the deadline, and the stage that is open while a frame is waited for. Frames, trailers,
//! size hint and end are passed on exactly (R14), but for a status of gRPC that only says that the deadline has
//! passed (R24). Does not own the request: `EnforcedBody` does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use http_deadline::{Exceeded, Journey, Stage, StageGuard};
use pin_project::pin_project;

use crate::grpc::{self, Told};
use crate::propagate::trace::Telling;
use crate::trace::CallSpan;
use crate::watch::Watch;
use crate::{BodyError, BoxError};

/// A body that ends with an error at the deadline, once, and yields nothing after it. The response of a gRPC call
/// ends with a trailers frame of status 4 instead, which its client understands (R13).
///
/// At each frame the deadline comes first (R11). Dropping it drops the inner body.
#[pin_project]
#[derive(Debug)]
pub struct WatchedBody<B> {
    /// Of the call that this came back from. Dropped before what it tells of.
    span: Option<CallSpan>,
    #[pin]
    inner: Option<B>,
    watch: Option<Watch>,
    /// Where it is not that of the watch.
    journey: Option<Journey>,
    stage: Stage,
    open: Option<StageGuard>,
    /// For the response of a gRPC call, which few are. Boxed: the body is moved through every layer.
    told: Option<Box<Told>>,
    /// Who is told of the end; `None` where nobody is, and once it was.
    telling: Option<Telling>,
}

impl<B> WatchedBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, watch: Option<Watch>, journey: Option<Journey>, stage: Stage) -> Self {
        Self { span: None, inner: Some(inner), watch, journey, stage, open: None, told: None, telling: None }
    }

    /// Ends in gRPC's words. `told`: what the hop was told that sends this body.
    #[inline]
    pub(crate) fn with_status(self, told: Option<Told>) -> Self {
        Self { told: told.map(Box::new), ..self }
    }

    /// Tells when it is whole.
    pub(crate) fn tell_to(&mut self, telling: Option<Telling>) {
        self.telling = telling;
    }

    /// The span of the call ends with this body.
    #[cfg(feature = "tracing")]
    pub(crate) fn tell_in(&mut self, span: CallSpan) {
        self.span = Some(span);
    }

    /// Empty.
    pub(crate) fn empty() -> Self {
        Self {
            span: None,
            inner: None,
            watch: None,
            journey: None,
            stage: Stage::Upstream,
            open: None,
            told: None,
            telling: None,
        }
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let _within = this.span.as_ref().and_then(CallSpan::enter);
        // R11: deadline first.
        let expired = this.watch.as_ref().is_some_and(Watch::is_expired);
        let frame = if expired { Poll::Pending } else { inner.poll_frame(cx) };
        let Poll::Ready(frame) = frame else {
            let (journey, stage) = (this.journey.as_ref(), *this.stage);
            let journey = journey.or_else(|| this.watch.as_ref().and_then(Watch::journey));
            *this.open = this.open.take().or_else(|| journey.map(|journey| journey.enter(stage)));
            let exceeded = poll_exceeded(this.watch, stage, cx);
            // Released meanwhile, by another thread: the inner body has yet to be polled, and wakes nobody.
            if expired && exceeded.is_pending() && !this.watch.as_ref().is_some_and(Watch::is_expired) {
                cx.waker().wake_by_ref();
            }
            let exceeded = ready!(exceeded);
            *this.open = None;
            *this.watch = None;
            this.inner.set(None);
            if let Some(span) = this.span.take() {
                span.stopped(&exceeded);
            }
            return Poll::Ready(Some(match this.told {
                Some(_) => Ok(Frame::trailers(grpc::trailers(&exceeded))),
                None => Err(BodyError::Exceeded(exceeded)),
            }));
        };
        *this.open = None;
        let ends = !matches!(frame, Some(Ok(_)));
        if this.telling.is_some() {
            let is_at_end = this.inner.as_ref().as_pin_ref().is_none_or(|inner| inner.is_end_stream());
            tell_end(this.telling, &frame, is_at_end);
        }
        // A deadline that was released is nobody's reason.
        let counts = |watch: &Watch| watch.instant().is_some();
        let frame = match this.told {
            Some(told) if this.watch.as_ref().is_some_and(counts) => {
                corrected(frame, **told, this.watch.as_ref(), *this.stage)
            }
            _ => frame,
        };
        if ends || matches!(&frame, Some(Ok(frame)) if frame.is_trailers()) {
            let journey = this.watch.take().and_then(Watch::into_journey);
            *this.journey = this.journey.take().or(journey);
        }
        if ends {
            this.inner.set(None);
        }
        let frame = frame.map(|frame| frame.map_err(|error| BodyError::Inner(error.into())));
        if let Some(span) = this.span.take_if(|_| ends) {
            match &frame {
                Some(Err(error)) => span.broken(error),
                _ => span.ended(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let is_end = self.inner.as_ref().is_none_or(Body::is_end_stream);
        // Whoever asks this, and is told so, asks for no frame.
        if let Some(telling) = self.telling.as_ref().filter(|_| is_end) {
            telling.whole();
        }
        is_end
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Tells that the body is whole, once it is; of one that has failed, nothing.
fn tell_end<D, E>(telling: &mut Option<Telling>, frame: &Option<Result<Frame<D>, E>>, is_at_end: bool) {
    let is_whole = match frame {
        None => true,
        Some(Ok(frame)) => is_at_end || frame.is_trailers(),
        Some(Err(_)) => {
            *telling = None;
            return;
        }
    };
    if let Some(telling) = telling.take_if(|_| is_whole) {
        telling.whole();
    }
}

/// R24: what whoever sends the body made of the deadline that it saw pass.
fn corrected<D, E>(
    frame: Option<Result<Frame<D>, E>>,
    told: Told,
    watch: Option<&Watch>,
    stage: Stage,
) -> Option<Result<Frame<D>, E>> {
    match (frame, watch) {
        (Some(Ok(mut frame)), _) => {
            if let Some(fields) = frame.trailers_mut() {
                told.correct(fields);
            }
            Some(Ok(frame))
        }
        (Some(Err(_)), Some(watch)) if told.has_passed() => {
            Some(Ok(Frame::trailers(grpc::trailers(&watch.exceeded(stage)))))
        }
        (frame, _) => frame,
    }
}

fn poll_exceeded(watch: &mut Option<Watch>, stage: Stage, cx: &mut Context<'_>) -> Poll<Exceeded> {
    let Some(watch) = watch else { return Poll::Pending };
    ready!(watch.poll_expired(cx));
    Poll::Ready(watch.exceeded(stage))
}

#[cfg(test)]
mod tests;
