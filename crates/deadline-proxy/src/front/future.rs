//! From a request to the head of its answer.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project::{pin_project, pinned_drop};
use tower_deadline::AnswerBody;

use super::{FrontBody, FrontLayer};
use crate::access;
use crate::explain::Told;
use crate::limits::Tallied;

/// What is kept of a request that is under way.
pub(super) struct Open {
    pub(super) layer: Arc<FrontLayer>,
    /// What follows is `None` where nobody wants it, and once it was handed on.
    pub(super) access: Option<Box<access::Open>>,
    pub(super) tally: Option<Tallied>,
    /// Boxed: hardly ever there.
    pub(super) told: Option<Box<Told>>,
    pub(super) id: Option<HeaderValue>,
}

#[pin_project(project = Projection)]
pub(super) enum State<F> {
    Called(#[pin] F),
    /// Boxed: it is the rare one.
    Refused(Box<Response<Bytes>>),
    /// It has answered.
    Over,
}

/// Future of [`Front`](super::Front). Dropping it cancels the inner service's, and each hears of that.
#[pin_project(PinnedDrop)]
pub struct FrontFuture<F> {
    #[pin]
    state: State<F>,
    open: Open,
}

impl<F> FrontFuture<F> {
    pub(super) fn new(state: State<F>, open: Open) -> Self {
        Self { state, open }
    }
}

impl Open {
    /// Each hears of the answer, from the inside out.
    fn answered<B: Body>(&mut self, response: &mut Response<B>) {
        if let Some(receive) = &self.layer.receive {
            receive.sign(response, self.id.take());
        }
        if let Some(told) = &mut self.told {
            told.answered(response);
        }
        if let Some(tally) = &mut self.tally {
            tally.answered(response);
        }
        if let Some(access) = &mut self.access {
            access.answered(response);
        }
    }

    /// What is left of it goes on with the body of its answer.
    fn body<B>(&mut self, inner: AnswerBody<B>) -> FrontBody<B> {
        FrontBody::new(inner, self.access.take(), self.tally.take())
    }

    fn failed(&mut self, error: &(dyn Error + 'static)) {
        if let Some(told) = &mut self.told {
            told.failed(error);
        }
        self.tally = None;
        if let Some(access) = self.access.take() {
            access.failed(error);
        }
    }
}

impl<F, B, E> Future for FrontFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data: From<Bytes>>,
    E: Error + 'static,
{
    type Output = Result<Response<FrontBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let span = this.open.told.as_ref().map(|told| told.span());
        let _entered = span.as_ref().map(tracing::Span::enter);
        // Changed where it stands, and moved once, at last.
        let mut polled = match this.state.as_mut().project() {
            Projection::Called(inner) => inner.poll(cx),
            Projection::Refused(answer) => {
                let mut answer = std::mem::take(&mut **answer).map(AnswerBody::from);
                this.state.set(State::Over);
                this.open.answered(&mut answer);
                return Poll::Ready(Ok(answer.map(|ours| this.open.body(ours))));
            }
            Projection::Over => return Poll::Pending,
        };
        let Poll::Ready(outcome) = &mut polled else { return Poll::Pending };
        // Nothing of it is left, though who asked still holds this.
        this.state.set(State::Over);
        match outcome {
            Ok(response) => this.open.answered(response),
            Err(error) => this.open.failed(error),
        }
        polled.map_ok(|response| response.map(|inner| this.open.body(AnswerBody::Inner(inner))))
    }
}

#[pinned_drop]
impl<F> PinnedDrop for FrontFuture<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(access) = this.open.access.take() {
            access.abandoned(|| {
                this.state.set(State::Over);
                // Who reads a line finds its request told of and counted.
                (this.open.told, this.open.tally) = (None, None);
            });
        }
    }
}

impl<F> fmt::Debug for FrontFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontFuture").finish_non_exhaustive()
    }
}
