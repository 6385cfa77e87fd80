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
///
/// `None` where there is none, as in most requests. Boxed otherwise: a request is moved some ten times from here on.
#[derive(Debug)]
pub(in crate::proxy) struct PassedBody<B>(Option<Pin<Box<Passed<B>>>>);

#[pin_project]
#[derive(Debug)]
struct Passed<B> {
    #[pin]
    inner: RateBody<B>,
    /// What concerns the connection on the word of the head.
    named: Vec<HeaderName>,
}

impl<B: Body> PassedBody<B> {
    /// A body that is held to this, behind a head that named these.
    pub(super) fn new(inner: B, watched: Option<(Rate, Arc<Verdict>)>, named: Vec<HeaderName>) -> Self {
        if inner.is_end_stream() && inner.size_hint().exact() == Some(0) {
            return Self(None);
        }
        Self(Some(Box::pin(Passed { inner: RateBody::new(inner, watched), named })))
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for PassedBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let Some(passed) = &mut self.0 else { return Poll::Ready(None) };
        let this = passed.as_mut().project();
        let mut frame = ready!(this.inner.poll_frame(cx));
        let trailers = frame.as_mut().and_then(|frame| frame.as_mut().ok()?.trailers_mut());
        trailers.into_iter().for_each(|trailers| sift(trailers, this.named));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|passed| passed.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |passed| passed.inner.size_hint())
    }
}
