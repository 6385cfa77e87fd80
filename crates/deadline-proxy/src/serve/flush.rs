//! What came before a failure is written before it.
//!
//! Covers a response body that fails as soon as it is asked: hyper, which is told so, drops the head and the frames that it
//! has not written yet, and the client sees a connection that closes without a word. So the failure waits until hyper has
//! had nothing to ask for once, which is when it writes. Does not wait for the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_deadline::BoxError;

/// A body that is passed on exactly (R14), but that it fails one poll later where nothing could be written meanwhile.
#[pin_project]
#[derive(Debug)]
pub(super) struct FlushedBody<B> {
    #[pin]
    inner: B,
    failure: Failure,
}

#[derive(Debug)]
enum Failure {
    /// There is none, and something was handed on that may wait to be written: the head is, at first.
    Unwritten,
    /// There is none, and nothing waits.
    Written,
    /// It waits for what was handed on.
    Waits(BoxError),
}

impl<B> FlushedBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner, failure: Failure::Unwritten }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for FlushedBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let before = std::mem::replace(this.failure, Failure::Written);
        if let Failure::Waits(error) = before {
            return Poll::Ready(Some(Err(error)));
        }
        match this.inner.poll_frame(cx).map_err(Into::into) {
            Poll::Ready(Some(Err(error))) if matches!(before, Failure::Unwritten) => {
                *this.failure = Failure::Waits(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                *this.failure = Failure::Unwritten;
                Poll::Ready(Some(Ok(frame)))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self.failure, Failure::Waits(_)) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use std::io;

    type Given = Result<Frame<Bytes>, io::Error>;

    fn frames(given: Vec<Given>) -> FlushedBody<StreamBody<impl futures_util::Stream<Item = Given> + Unpin>> {
        FlushedBody::new(StreamBody::new(stream::iter(given)))
    }

    #[tokio::test]
    async fn a_failure_comes_one_poll_after_what_was_handed_on() {
        let broken = || Err(io::ErrorKind::BrokenPipe.into());
        let mut body = frames(vec![Ok(Frame::data(Bytes::from_static(b"a"))), broken()]);
        assert!(body.frame().now_or_never().flatten().is_some_and(|frame| frame.is_ok()));
        assert!(body.frame().now_or_never().is_none() && !body.is_end_stream());
        assert!(body.frame().now_or_never().flatten().is_some_and(|frame| frame.is_err()));
        assert!(body.frame().now_or_never().flatten().is_none());
        // Who waits is woken.
        assert!(frames(vec![broken()]).collect().await.is_err());
    }
}
