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
#[pin_project]
#[derive(Debug)]
pub struct ReceivedBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    record: Option<Record>,
    waiting: Option<Spending>,
}

impl<B> ReceivedBody<B> {
    pub(super) fn new(inner: B, record: Option<Record>) -> Self {
        Self { inner: Some(inner), record, waiting: None }
    }

    /// Counts the body of this request for its record, where it has both.
    pub(crate) fn around(request: Request<B>) -> Request<Self>
    where
        B: Body,
    {
        let record = if request.body().is_end_stream() { None } else { Record::of(request.extensions()) };
        request.map(|inner| Self::new(inner, record))
    }
}

impl<B: Body> Body for ReceivedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let polled = inner.poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.inner.set(None);
        }
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

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn length<D: Buf, E>(frame: &Option<Result<Frame<D>, E>>) -> u64 {
    let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.map_or(0, |data| data.remaining() as u64)
}
