//! From the head of an answer to its end.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};
use tower_deadline::AnswerBody;

use crate::access;
use crate::limits::Tallied;

/// A response body that is passed on exactly (R14), and with which a request ends.
#[pin_project(PinnedDrop)]
pub struct FrontBody<B> {
    #[pin]
    inner: AnswerBody<B>,
    access: Option<Box<access::Open>>,
    tally: Option<Tallied>,
}

impl<B> FrontBody<B> {
    pub(super) fn new(inner: AnswerBody<B>, access: Option<Box<access::Open>>, tally: Option<Tallied>) -> Self {
        Self { inner, access, tally }
    }
}

impl<B> Body for FrontBody<B>
where
    B: Body<Data: From<Bytes>, Error: Error + 'static>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &polled {
            if let (Some(tally), Some(trailers)) = (&*this.tally, frame.trailers_ref()) {
                tally.trailers(trailers);
            }
            if let Some(access) = this.access {
                // Trailers are the last frame there can be.
                access.passed(frame, frame.is_trailers() || this.inner.is_end_stream());
            }
            return Poll::Ready(polled);
        }
        // Nothing of the inner one is left.
        *this.tally = None;
        if let Some(access) = this.access.take() {
            match &polled {
                Some(Err(error)) => access.failed(error),
                _ => access.ended(),
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[pinned_drop]
impl<B> PinnedDrop for FrontBody<B> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(access) = this.access.take() {
            access.dropped(|| {
                this.inner.set(AnswerBody::default());
                // Who reads a line finds its request counted.
                *this.tally = None;
            });
        }
    }
}

impl<B> fmt::Debug for FrontBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontBody").finish_non_exhaustive()
    }
}
