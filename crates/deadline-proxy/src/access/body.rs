//! The body of a request of which a line may be written.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_deadline::Stage;

use super::{Record, Spending};

/// A request body that is passed on exactly (R14); its bytes are counted, and the time that it is waited for.
///
/// `None` where there is none, as in most requests, and once it has ended. Boxed otherwise: a request is moved again and
/// again.
#[derive(Debug)]
pub struct ReceivedBody<B>(Option<Pin<Box<Received<B>>>>);

#[pin_project]
#[derive(Debug)]
struct Received<B> {
    #[pin]
    inner: B,
    record: Option<Record>,
    waiting: Option<Spending>,
}

/// A frame, or why there is none.
type Polled<B> = Result<Frame<<B as Body>::Data>, <B as Body>::Error>;

impl<B: Body> ReceivedBody<B> {
    pub(super) fn new(inner: B, record: Option<Record>) -> Self {
        Self(Some(Box::pin(Received { inner, record, waiting: None })))
    }

    /// Counts the body of this request for its record, where it has both.
    pub(crate) fn around(request: Request<B>) -> Request<Self> {
        let body = request.body();
        let is_empty = body.is_end_stream();
        if is_empty && body.size_hint().exact() == Some(0) {
            return request.map(|_| Self(None));
        }
        let record = if is_empty { None } else { Record::of(request.extensions()) };
        request.map(|inner| Self::new(inner, record))
    }
}

impl<B: Body> Body for ReceivedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(received) = &mut self.0 else { return Poll::Ready(None) };
        let polled = received.as_mut().poll(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|received| received.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |received| received.inner.size_hint())
    }
}

impl<B: Body> Received<B> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Polled<B>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        let Some(record) = this.record else { return polled };
        match &polled {
            Poll::Pending => {
                let waiting = this.waiting.take();
                *this.waiting = waiting.or_else(|| Some(record.enter(Stage::RequestBody)));
            }
            Poll::Ready(frame) => {
                *this.waiting = None;
                record.received(length(frame));
            }
        }
        polled
    }
}

fn length<D: Buf, E>(frame: &Option<Result<Frame<D>, E>>) -> u64 {
    let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.map_or(0, |data| data.remaining() as u64)
}
