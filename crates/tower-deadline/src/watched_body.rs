//! A body that is read under a deadline that somebody else enforces, or it itself: a request's on its way in,
//! a response's on its way back from an outgoing call.
//!
//! Covers the end at the deadline, and the stage that is open while a frame is waited for. Frames, trailers,
//! size hint and end are passed on exactly (R14). Does not own the request: `EnforcedBody` does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use http_deadline::{Exceeded, Journey, Stage, StageGuard};
use pin_project::pin_project;

use crate::watch::Watch;
use crate::{BodyError, BoxError};

/// A body that ends with an error at the deadline, once, and yields nothing after it.
///
/// At each frame the deadline comes first (R11). Dropping it drops the inner body.
#[pin_project]
#[derive(Debug)]
pub struct WatchedBody<B> {
    #[pin]
    inner: Option<B>,
    watch: Option<Watch>,
    journey: Option<Journey>,
    stage: Stage,
    open: Option<StageGuard>,
}

impl<B> WatchedBody<B> {
    pub(crate) fn new(inner: B, watch: Option<Watch>, journey: Option<Journey>, stage: Stage) -> Self {
        Self { inner: Some(inner), watch, journey, stage, open: None }
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
        // R11: deadline first.
        let expired = this.watch.as_ref().is_some_and(Watch::is_expired);
        let frame = if expired { Poll::Pending } else { inner.poll_frame(cx) };
        let Poll::Ready(frame) = frame else {
            let (journey, stage) = (this.journey.as_ref(), *this.stage);
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
            return Poll::Ready(Some(Err(BodyError::Exceeded(exceeded))));
        };
        *this.open = None;
        let ends = !matches!(frame, Some(Ok(_)));
        if ends || matches!(&frame, Some(Ok(frame)) if frame.is_trailers()) {
            *this.watch = None;
        }
        if ends {
            this.inner.set(None);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Inner(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn poll_exceeded(watch: &mut Option<Watch>, stage: Stage, cx: &mut Context<'_>) -> Poll<Exceeded> {
    let Some(watch) = watch else { return Poll::Pending };
    ready!(watch.poll_expired(cx));
    Poll::Ready(watch.exceeded(stage))
}

#[cfg(test)]
mod tests;
