//! A request on a connection, from its call to the end of its answer.
//!
//! All of it stands in one box, first the future of the answer and then, in its place, the body: neither is moved by who
//! serves the connection, which would do so again and again.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::activity::Under;

#[pin_project]
struct Exchange<F, B> {
    #[pin]
    at: At<F, B>,
    /// `None` once it has ended.
    under: Option<Under>,
    /// Whether the request has its connection to itself.
    is_whole: bool,
    is_connect: bool,
}

/// How far it is.
#[pin_project(project = Projection, project_ref = Reference)]
enum At<F, B> {
    Asked(#[pin] F),
    Answered(#[pin] B),
    Ended,
}

impl<F, B> Exchange<F, B> {
    /// The head of its answer is there, and this is the rest.
    #[inline(always)]
    fn answered(self: Pin<&mut Self>, status: StatusCode, body: B) {
        let mut this = self.project();
        this.at.set(At::Answered(body));
        let is_tunnel = status == StatusCode::SWITCHING_PROTOCOLS || *this.is_connect && status.is_success();
        let Some(under) = this.under else { return };
        // R17: a tunnel is bounded by limits of its own; the other streams beside it are not.
        if is_tunnel && *this.is_whole {
            under.becomes_tunnel();
        }
        under.answers();
    }

    fn ended(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.at.set(At::Ended);
        *this.under = None;
    }
}

/// Future of [`TimedService`](super::TimedService). Dropping it cancels the inner one.
#[must_use = "it does nothing unless it is polled"]
pub struct TimedFuture<F, B> {
    /// `None` once it has answered.
    exchange: Option<Pin<Box<Exchange<F, B>>>>,
}

impl<F, B> TimedFuture<F, B> {
    pub(super) fn new(inner: F, under: Under, is_whole: bool, is_connect: bool) -> Self {
        let exchange = Exchange { at: At::Asked(inner), under: Some(under), is_whole, is_connect };
        Self { exchange: Some(Box::pin(exchange)) }
    }
}

impl<F, B, E> Future for TimedFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TimedBody<F, B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(exchange) = &mut self.exchange else { return Poll::Pending };
        let Projection::Asked(inner) = exchange.as_mut().project().at.project() else { return Poll::Pending };
        // Not taken out of its poll: it would be moved for that.
        let polled = inner.poll(cx);
        if polled.is_pending() {
            return Poll::Pending;
        }
        let Some(mut exchange) = self.exchange.take() else { return Poll::Pending };
        polled.map_ok(|response| {
            let (head, body) = response.into_parts();
            exchange.as_mut().answered(head.status, body);
            Response::from_parts(head, TimedBody { exchange })
        })
    }
}

impl<F, B> fmt::Debug for TimedFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedFuture").finish_non_exhaustive()
    }
}

/// A response body that is passed on exactly (R14), and with whose end a request ends.
pub struct TimedBody<F, B> {
    exchange: Pin<Box<Exchange<F, B>>>,
}

impl<F, B: Body> Body for TimedBody<F, B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Projection::Answered(inner) = self.exchange.as_mut().project().at.project() else {
            return Poll::Ready(None);
        };
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.exchange.as_mut().ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self.exchange.as_ref().project_ref().at.project_ref() {
            Reference::Answered(inner) => inner.is_end_stream(),
            Reference::Asked(_) | Reference::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.exchange.as_ref().project_ref().at.project_ref() {
            Reference::Answered(inner) => inner.size_hint(),
            Reference::Asked(_) | Reference::Ended => SizeHint::with_exact(0),
        }
    }
}

impl<F, B> fmt::Debug for TimedBody<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedBody").finish_non_exhaustive()
    }
}
