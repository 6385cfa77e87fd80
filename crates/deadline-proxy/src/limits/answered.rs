//! Either what the inner service says, or what was said in its place.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project::pin_project;
use tower_deadline::AnswerBody;

/// The future of a layer that refuses some requests. Dropping it cancels the inner one.
#[pin_project(project = Projection)]
#[derive(Debug)]
pub enum Answered<F> {
    /// It was let in.
    Inner(#[pin] F),
    /// It was not; `None` once that was told.
    Answer(Option<Response<Bytes>>),
}

impl<F> Answered<F> {
    /// Says this in place of the inner service.
    #[must_use]
    pub fn with(answer: Response<Bytes>) -> Self {
        Self::Answer(Some(answer))
    }
}

impl<F, B, E> Future for Answered<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.as_mut().project() {
            Projection::Inner(inner) => {
                let outcome = ready!(inner.poll(cx));
                // Nothing of it is left, though who asked still holds this.
                self.set(Self::Answer(None));
                Poll::Ready(outcome.map(|response| response.map(AnswerBody::Inner)))
            }
            Projection::Answer(answer) => {
                let answer = answer.take().map(|answer| Ok(answer.map(AnswerBody::from)));
                answer.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}
