//! A body that does, poll by poll, what it was told.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::{BodyProbe, ScriptedError};

/// What a [`ScriptedBody`] does at one poll.
#[derive(Clone, Debug)]
pub enum Step {
    /// Yields data.
    Data(&'static str),
    /// Yields trailers.
    Trailers(HeaderMap),
    /// Fails, and is at its end.
    Error,
    /// Is pending once, and wakes its task at once.
    Pause,
    /// Is pending once, and wakes nobody.
    Wait,
    /// Is pending for ever, and wakes nobody.
    Stall,
}

/// A body that plays [`Step`]s and is then at its end.
///
/// ```
/// use deadline_testkit::{ScriptedBody, Step};
/// use http_body::Body;
/// use std::pin::Pin;
/// use std::task::{Context, Waker};
///
/// let mut body = ScriptedBody::new([Step::Data("orders"), Step::Wait]);
/// let probe = body.probe();
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(Pin::new(&mut body).poll_frame(&mut cx).is_ready());
/// assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
/// for _ in 0..2 {
///     assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), std::task::Poll::Ready(None)));
/// }
/// assert_eq!((probe.polls(), probe.polled_after_end(), probe.is_dropped()), (4, 1, false));
/// ```
#[derive(Debug)]
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    ended: bool,
    tells_size: bool,
    tells_end: bool,
    probe: BodyProbe,
}

impl ScriptedBody {
    /// A body that tells neither its size nor, before it is polled, its end.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, ended: false, tells_size: false, tells_end: false, probe: BodyProbe::default() }
    }

    /// A body of one frame that tells its size and its end; of none, if `text` is empty.
    #[must_use]
    pub fn full(text: &'static str) -> Self {
        let step = Some(Step::Data(text)).filter(|_| !text.is_empty());
        Self::new(step).telling_size().telling_end()
    }

    /// Its size hint is exact: the data that are left.
    #[must_use]
    pub fn telling_size(mut self) -> Self {
        self.tells_size = true;
        self
    }

    /// Once no step is left, it is at its end without being polled.
    #[must_use]
    pub fn telling_end(mut self) -> Self {
        self.tells_end = true;
        self
    }

    /// What will be done to it.
    #[must_use]
    pub fn probe(&self) -> BodyProbe {
        self.probe.clone()
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ScriptedError>>> {
        let Some(step) = self.steps.pop_front() else {
            self.ended = true;
            return Poll::Ready(None);
        };
        match step {
            Step::Data(text) => return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))),
            Step::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Step::Error => {
                self.steps.clear();
                self.ended = true;
                return Poll::Ready(Some(Err(ScriptedError)));
            }
            Step::Pause => cx.waker().wake_by_ref(),
            Step::Wait => {}
            Step::Stall => self.steps.push_front(Step::Stall),
        }
        Poll::Pending
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.probe.polled(self.ended);
        self.step(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |step: &Step| if let Step::Data(text) = step { text.len() as u64 } else { 0 };
        let left = self.steps.iter().map(length).sum();
        if self.tells_size { SizeHint::with_exact(left) } else { SizeHint::default() }
    }
}

impl Default for ScriptedBody {
    /// Empty, and tells so.
    fn default() -> Self {
        Self::full("")
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.probe.dropped();
    }
}
