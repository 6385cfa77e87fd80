//! The services beneath, as functions: they cost next to nothing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};

use crate::messages::Body;

/// What every body that is not empty has to say.
const DATA: Bytes = Bytes::from_static(b"sixteen bytes...");

type Answer<B> = Ready<Result<Response<B>, Infallible>>;

/// Answers at once, without a body.
pub(crate) fn at_once<RB>(_: Request<RB>) -> Answer<Body> {
    ready(Ok(Response::new(Body::default())))
}

/// Answers at the second poll, without a body.
pub(crate) fn pending_once<RB>(request: Request<RB>) -> Second<Answer<Body>> {
    Second::new(at_once(request))
}

/// Answers at once, with one frame of data that is there at the first poll.
pub(crate) fn one_frame<RB>(_: Request<RB>) -> Answer<Body> {
    ready(Ok(Response::new(Body::new(DATA))))
}

/// Answers at once, with one frame of data that is there at the second poll.
pub(crate) fn late_frame<RB>(_: Request<RB>) -> Answer<Second<Body>> {
    ready(Ok(Response::new(Second::new(Body::new(DATA)))))
}

/// Answers at once, with the body of the request.
pub(crate) fn echo<RB>(request: Request<RB>) -> Answer<RB> {
    ready(Ok(Response::new(request.into_body())))
}

/// A future or a body that is pending at the first poll.
#[derive(Clone, Debug)]
pub(crate) struct Second<T> {
    inner: T,
    polled: bool,
}

impl<T> Second<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, polled: false }
    }

    /// What is within, from the second time on.
    fn again(&mut self) -> Option<&mut T> {
        std::mem::replace(&mut self.polled, true).then_some(&mut self.inner)
    }
}

impl<F: Future + Unpin> Future for Second<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.again().map_or(Poll::Pending, |inner| Pin::new(inner).poll(cx))
    }
}

impl http_body::Body for Second<Body> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.again().map_or(Poll::Pending, |inner| Pin::new(inner).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
