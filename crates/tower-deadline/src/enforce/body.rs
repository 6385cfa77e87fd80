//! From the response head to the end of its body.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_deadline::{Exceeded, Stage};
use pin_project::{pin_project, pinned_drop};

use super::custody::Custody;
use super::status::Status;
use crate::{BodyError, BoxError};

/// The response body of [`Enforce`](super::Enforce): the inner one, to the deadline.
///
/// It passes data, trailers, size hint and end on exactly (R14). At the deadline it yields one error, or the status of
/// a protocol that has one there, and then the end. Dropping it before its end means that the client went away.
#[pin_project(PinnedDrop)]
pub struct EnforcedBody<B: Body> {
    #[pin]
    inner: Option<B>,
    custody: Option<Custody>,
    ends: Ends,
    /// Hardly ever there, and moved with each response.
    #[expect(clippy::box_collection, reason = "one word through every layer, where the collection has four")]
    settled: Option<Box<VecDeque<Frame<B::Data>>>>,
}

/// How the body ends.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// At the deadline.
    pub(super) status: Status,
    /// Without having been polled to its end: after this many bytes.
    pub(super) after: Option<u64>,
}

impl<B> Body for EnforcedBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
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
            let settled = this.settled.as_mut().and_then(|frames| frames.pop_front());
            return Poll::Ready(settled.map(Ok));
        };
        custody.observe(Stage::ResponseBody);
        // R11: deadline first.
        if let Some(deadline) = custody.expired() {
            let exceeded = custody.stop(deadline, Stage::ResponseBody);
            return Poll::Ready(self.stop(exceeded));
        }
        let frame = custody.poll(cx, |cx| inner.as_mut().poll_frame(cx));
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                this.ends.passed(&frame, inner.is_end_stream());
                if frame.is_trailers() {
                    // Neither an error nor a second status follows them.
                    custody.forget_deadline();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                if let Some(exceeded) = Exceeded::find(&*error) {
                    custody.told(exceeded);
                }
                self.close();
                Poll::Ready(Some(Err(BodyError::Inner(error))))
            }
            Poll::Ready(None) => {
                self.close();
                Poll::Ready(None)
            }
            Poll::Pending => {
                custody.observe_pending(Stage::ResponseBody);
                let deadline = ready!(custody.poll_expired(cx));
                let exceeded = custody.stop(deadline, Stage::ResponseBody);
                Poll::Ready(self.stop(exceeded))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_read = || self.settled.as_ref().is_none_or(|frames| frames.is_empty());
        self.inner.as_ref().map_or_else(is_read, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = || self.settled.as_ref().map_or_else(|| SizeHint::with_exact(0), |frames| hint(frames));
        self.inner.as_ref().map_or_else(hint, Body::size_hint)
    }
}

impl<B: Body> EnforcedBody<B> {
    /// A body in custody.
    pub(super) fn kept(inner: B, custody: Custody, ends: Ends) -> Self {
        Self { inner: Some(inner), custody: Some(custody), ends, settled: None }
    }

    /// A body that was ready as a whole, at the very instant.
    pub(super) fn settled(frames: VecDeque<Frame<B::Data>>) -> Self {
        let settled = Some(frames).filter(|frames| !frames.is_empty()).map(Box::new);
        Self { inner: None, custody: None, ends: Ends::default(), settled }
    }

    /// The deadline has passed.
    fn stop(mut self: Pin<&mut Self>, exceeded: Exceeded) -> Option<Result<Frame<B::Data>, BodyError>>
    where
        B::Data: From<Bytes>,
    {
        self.as_mut().close();
        self.ends.status.tell(exceeded)
    }

    /// Drops the inner body, under its deadline, and ends the journey.
    fn close(self: Pin<&mut Self>) {
        let mut this = self.project();
        // Where it stands: it is not moved to be dropped.
        if let Some(custody) = this.custody {
            custody.finish(Stage::ResponseBody);
            custody.run(|| this.inner.set(None));
        }
        *this.custody = None;
    }
}

impl Ends {
    fn passed<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        let length = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        if let Some(data) = frame.data_ref() {
            self.status.pass(data);
        }
        let after = self.after.map(|after| after.saturating_sub(length));
        // Trailers are the last frame there can be.
        self.after = if is_last || frame.is_trailers() { Some(0) } else { after };
    }
}

#[pinned_drop]
impl<B: Body> PinnedDrop for EnforcedBody<B> {
    fn drop(mut self: Pin<&mut Self>) {
        let unread = self.ends.after != Some(0);
        if let Some(custody) = self.as_mut().project().custody.as_mut().filter(|_| unread) {
            custody.abandon(Stage::ResponseBody);
        }
        self.close();
    }
}

impl<B: Body> Default for EnforcedBody<B> {
    /// Empty.
    fn default() -> Self {
        Self::settled(VecDeque::new())
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for EnforcedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, custody, .. } = self;
        f.debug_struct("EnforcedBody")
            .field("inner", inner)
            .field("custody", custody)
            .finish_non_exhaustive()
    }
}

/// Not exact where there are trailers: an exact size becomes a `Content-Length`, and HTTP/1.1 has no trailers
/// behind one.
fn hint<D: Buf>(frames: &VecDeque<Frame<D>>) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(frames.iter().filter_map(Frame::data_ref).map(|data| data.remaining() as u64).sum());
    if !frames.iter().any(Frame::is_trailers) {
        hint.set_upper(hint.lower());
    }
    hint
}
