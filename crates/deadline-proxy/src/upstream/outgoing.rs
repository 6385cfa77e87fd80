//! The body of a request, which tells when all of it was taken.
//!
//! Whoever gives up on an endpoint looks at that: who waits for the rest of a request may well be silent.

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tower_deadline::{BoxError, CallEvent};

use super::telling::Telling;

/// When all of a body was taken, once that is so; `None` for one without frames.
#[derive(Debug, Default)]
pub(super) struct Whole(Option<Arc<OnceLock<Instant>>>);

impl Whole {
    /// For this body; one without frames needs none.
    fn of(body: &impl Body) -> Self {
        Self((!body.is_end_stream()).then(Arc::default))
    }

    /// When all of it was taken, if that is so; one without frames was when it was `sent`.
    pub(super) fn since(&self, sent: Instant) -> Option<Instant> {
        self.0.as_ref().map_or(Some(sent), |whole| whole.get().copied())
    }
}

/// The error of a request body, for whoever sent it and for whoever asked to.
#[derive(Clone, Debug)]
pub struct BodyFault(Arc<dyn Error + Send + Sync>);

impl BodyFault {
    pub(super) fn new(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(why.into().into())
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body failed")
    }
}

impl Error for BodyFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// A request body that is passed on exactly (R14).
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    inner: B,
    whole: Whole,
    /// Told once.
    written: OnceCell<()>,
    telling: Telling,
}

impl<B: Body> Outgoing<B> {
    pub(super) fn new(inner: B, telling: &Telling) -> (Self, Whole) {
        let whole = Whole::of(&inner);
        let told = Whole(whole.0.clone());
        (Self { inner, whole, written: OnceCell::new(), telling: telling.clone() }, told)
    }

    pub(super) fn into_inner(self) -> B {
        self.inner
    }

    /// All of the request has been handed over.
    #[inline]
    fn tell_written(&self) {
        if self.telling.is_heard() && self.written.set(()).is_ok() {
            self.telling.tell(&CallEvent::RequestWritten);
        }
    }
}

impl<B> Body for Outgoing<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Data = B::Data;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BodyFault>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() || matches!(&frame, Some(Ok(_)) if self.inner.is_end_stream()) {
            self.tell_written();
        }
        if let Some(whole) = self.whole.0.as_ref().filter(|_| frame.is_none() || self.inner.is_end_stream()) {
            // Only the first counts.
            let _ = whole.set(Instant::now());
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyFault(error.into().into()))))
    }

    fn is_end_stream(&self) -> bool {
        // Nobody asks for the frames of a body that has none: this is asked once, as the head is written.
        if self.whole.0.is_none() {
            self.tell_written();
        }
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
