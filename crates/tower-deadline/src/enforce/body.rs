//! From the response head to the end of the body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_deadline::dialect::{Call, GRPC_STATUS};
use http_deadline::{Deadline, Exceeded, Stage};
use pin_project::{pin_project, pinned_drop};

use super::custody::Custody;
use crate::{BodyError, BoxError};

/// The response body of [`Enforce`](super::Enforce): the inner one, to the deadline.
///
/// It passes data, trailers, size hint and end on exactly (R14). At the deadline it yields one error, or the
/// trailers of gRPC, and then the end. Dropping it before its end means that the client went away.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct EnforcedBody<B> {
    #[pin]
    inner: Option<B>,
    custody: Option<Custody>,
    ends: Ends,
}

/// What the request tells about its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) is_head: bool,
    pub(super) is_http2: bool,
}

/// How the body ends.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    /// In trailers of gRPC at the deadline, not in an error.
    with_status: bool,
    /// Without having been polled to its end: after this many bytes.
    after: Option<u64>,
}

impl Asking {
    /// The head is ready: the custody of the request goes to the body.
    pub(super) fn deliver<B: Body>(self, head: Response<B>, mut custody: Custody) -> Response<EnforcedBody<B>> {
        let journey = custody.journey();
        if journey.policy().covers_body(journey.client_asked(), head.headers()) {
            custody.unwatch();
        } else {
            custody.release();
        }
        let ends =
            Ends { with_status: self.is_http2 && Call::of(head.headers()) == Call::Grpc, after: self.length(&head) };
        head.map(|inner| EnforcedBody { inner: Some(inner), custody: Some(custody), ends })
    }

    /// The bytes that the connection will ask for, where that is known.
    fn length<B: Body>(self, head: &Response<B>) -> Option<u64> {
        let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status());
        if self.is_head || bodyless || head.body().is_end_stream() {
            return Some(0);
        }
        head.body().size_hint().exact().or_else(|| content_length(head.headers()))
    }
}

impl<B> Body for EnforcedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.as_mut().project();
        let (Some(mut inner), Some(custody)) = (this.inner.as_pin_mut(), this.custody.as_mut()) else {
            return Poll::Ready(None);
        };
        // R11: deadline first.
        if let Some(deadline) = custody.expired() {
            return Poll::Ready(Some(self.stop(deadline)));
        }
        let frame = custody.run(|| inner.as_mut().poll_frame(cx));
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                this.ends.passed(&frame, inner.is_end_stream());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.close();
                Poll::Ready(Some(Err(BodyError::Inner(error.into()))))
            }
            Poll::Ready(None) => {
                self.close();
                Poll::Ready(None)
            }
            Poll::Pending => custody.poll_expired(cx).map(|deadline| Some(self.stop(deadline))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> EnforcedBody<B> {
    /// The deadline has passed.
    fn stop<D>(mut self: Pin<&mut Self>, deadline: Deadline) -> Result<Frame<D>, BodyError> {
        let exceeded = self.custody.as_ref().map(|custody| custody.stop(deadline, Stage::ResponseBody));
        self.as_mut().close();
        match exceeded {
            Some(exceeded) if !self.ends.with_status => Err(BodyError::Exceeded(with_reset(exceeded))),
            _ => Ok(Frame::trailers(deadline_exceeded())),
        }
    }

    /// Drops the inner body, under its deadline, and ends the journey.
    fn close(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(mut custody) = this.custody.take() {
            custody.run(|| this.inner.set(None));
        }
    }
}

impl Ends {
    fn passed<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        let length = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        let after = self.after.map(|after| after.saturating_sub(length));
        // Trailers are the last frame there can be.
        self.after = if is_last || frame.is_trailers() { Some(0) } else { after };
    }
}

#[pinned_drop]
impl<B> PinnedDrop for EnforcedBody<B> {
    fn drop(self: Pin<&mut Self>) {
        let unread = self.ends.after != Some(0);
        if let Some(custody) = self.custody.as_ref().filter(|_| unread) {
            custody.abandon();
        }
        self.close();
    }
}

impl<B> Default for EnforcedBody<B> {
    /// Empty.
    fn default() -> Self {
        Self { inner: None, custody: None, ends: Ends::default() }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// gRPC's DEADLINE_EXCEEDED, as a message ends.
fn deadline_exceeded() -> HeaderMap {
    HeaderMap::from_iter([(GRPC_STATUS.clone(), HeaderValue::from_static("4"))])
}

/// hyper looks for an `h2::Error` behind the error of a body to choose the code of the reset (R13).
#[cfg(feature = "http2")]
fn with_reset(exceeded: Exceeded) -> Exceeded {
    exceeded.with_source(std::sync::Arc::new(h2::Error::from(h2::Reason::CANCEL)))
}

#[cfg(not(feature = "http2"))]
fn with_reset(exceeded: Exceeded) -> Exceeded {
    exceeded
}
