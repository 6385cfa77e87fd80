//! The body of a request on its passage.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_deadline::BoxError;

use crate::limits::{Rate, RateBody, Verdict};
use crate::proxy::trailers::sift;

/// A request body that is passed on exactly (R14) as long as it is fast enough, but for trailers that may not pass.
#[pin_project]
#[derive(Debug)]
pub(in crate::proxy) struct PassedBody<B> {
    #[pin]
    inner: RateBody<B>,
    /// What concerns the connection on the word of the head.
    named: Vec<HeaderName>,
}

impl<B> PassedBody<B> {
    /// A body that is held to this, behind a head that named these.
    pub(super) fn new(inner: B, watched: Option<(Rate, Arc<Verdict>)>, named: Vec<HeaderName>) -> Self {
        Self { inner: RateBody::new(inner, watched), named }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for PassedBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let mut frame = ready!(this.inner.poll_frame(cx));
        let trailers = frame.as_mut().and_then(|frame| frame.as_mut().ok()?.trailers_mut());
        trailers.into_iter().for_each(|trailers| sift(trailers, this.named));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
