//! The inner service's body, or an answer of ours in its place.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// A body that is either passed on exactly (R14), or the bytes of an answer.
#[pin_project(project = Projection)]
#[derive(Debug)]
pub enum AnswerBody<B> {
    /// The inner service's.
    Inner(#[pin] B),
    /// An answer's; `None` once it was read, and after the end of the inner service's.
    Answer(Option<Bytes>),
}

impl<B> Body for AnswerBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = match self.as_mut().project() {
            Projection::Inner(inner) => ready!(inner.poll_frame(cx)),
            Projection::Answer(bytes) => {
                let data = bytes.take().filter(|bytes| !bytes.is_empty());
                return Poll::Ready(data.map(|bytes| Ok(Frame::data(bytes.into()))));
            }
        };
        // R14: after an error comes the end, whatever the inner body would say.
        if !matches!(frame, Some(Ok(_))) {
            self.set(Self::default());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner(inner) => inner.is_end_stream(),
            Self::Answer(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Inner(inner) => inner.size_hint(),
            Self::Answer(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

impl<B> From<Bytes> for AnswerBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self::Answer(Some(bytes))
    }
}

impl<B> Default for AnswerBody<B> {
    /// Empty.
    fn default() -> Self {
        Self::Answer(None)
    }
}

#[cfg(test)]
mod tests;
