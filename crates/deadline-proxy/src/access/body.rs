//! The bodies of a request of which a line may be written.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};
use tower_deadline::Stage;

use super::open::Open;
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

/// A response body that is passed on exactly (R14), and with which a request gets its line.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct SentBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    open: Option<Box<Open>>,
    sending: Option<Spending>,
    /// The bytes that the connection will still ask for, where that is known: it does not ask for the end then.
    left: Option<u64>,
}

impl<B: Body> SentBody<B> {
    /// The answer to this request, if there is a line to write.
    pub(super) fn of(response: Response<B>, open: Option<Box<Open>>) -> Response<Self> {
        let left = open.as_ref().and_then(|open| asked_for(&response, open.is_head_request()));
        let sending = open.as_ref().map(|open| open.record.enter(Stage::ResponseBody));
        response.map(|inner| Self { inner: Some(inner), open, sending, left })
    }
}

impl<B: Body> Body for SentBody<B>
where
    B::Error: Error + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if let (Some(Ok(passed)), Some(open)) = (&frame, this.open.as_mut()) {
            let bytes = length(&frame);
            open.sent += bytes;
            passed.trailers_ref().into_iter().for_each(|trailers| open.note_grpc_status(trailers));
            // Trailers are the last frame there can be.
            let is_last = passed.is_trailers() || inner.is_end_stream();
            *this.left = if is_last { Some(0) } else { this.left.map(|left| left.saturating_sub(bytes)) };
            return Poll::Ready(frame);
        }
        if !matches!(frame, Some(Ok(_))) {
            this.inner.set(None);
            *this.sending = None;
            match (this.open.take(), &frame) {
                (Some(open), Some(Err(error))) => open.failed(error),
                (Some(open), _) => open.ended(),
                (None, _) => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[pinned_drop]
impl<B> PinnedDrop for SentBody<B> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        let Some(open) = this.open.take() else { return };
        let mut rest = || {
            this.inner.set(None);
            *this.sending = None;
        };
        if *this.left == Some(0) {
            rest();
            open.ended();
        } else {
            open.abandoned(rest);
        }
    }
}

fn asked_for<B: Body>(response: &Response<B>, is_head_request: bool) -> Option<u64> {
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    if is_head_request || bodyless || response.body().is_end_stream() {
        return Some(0);
    }
    let told = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(told)
}

fn length<D: Buf, E>(frame: &Option<Result<Frame<D>, E>>) -> u64 {
    let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.map_or(0, |data| data.remaining() as u64)
}
