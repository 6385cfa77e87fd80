//! The body of a request, which tells how it failed, and when all of it was taken.
//!
//! hyper tells it for HTTP/1.1 alone: over HTTP/2 all that comes back of a body that failed is the reset of its stream,
//! as if the endpoint had broken off.

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

/// How a body ended, once it has; `None` for one without frames.
#[derive(Debug, Default)]
pub(super) struct Fault(Option<Arc<Ended>>);

#[derive(Debug, Default)]
struct Ended {
    fault: OnceLock<BodyFault>,
    whole: OnceLock<Instant>,
}

impl Fault {
    /// For this body; one without frames needs none.
    fn of(body: &impl Body) -> Self {
        Self((!body.is_end_stream()).then(Arc::default))
    }

    pub(super) fn found(&self) -> Option<BodyFault> {
        self.0.as_ref()?.fault.get().cloned()
    }

    /// When all of it was taken, if that is so; one without frames was when it was `sent`.
    pub(super) fn ended(&self, sent: Instant) -> Option<Instant> {
        self.0.as_ref().map_or(Some(sent), |ended| ended.whole.get().copied())
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
    fault: Fault,
    /// Told once.
    written: OnceCell<()>,
    telling: Telling,
}

impl<B: Body> Outgoing<B> {
    pub(super) fn new(inner: B, telling: &Telling) -> (Self, Fault) {
        let fault = Fault::of(&inner);
        let told = Fault(fault.0.clone());
        (Self { inner, fault, written: OnceCell::new(), telling: telling.clone() }, told)
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
        let Some(ended) = &self.fault.0 else {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyFault(error.into().into()))));
        };
        // Only the first of either counts.
        if frame.is_none() || self.inner.is_end_stream() {
            let _ = ended.whole.set(Instant::now());
        }
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let fault = BodyFault(error.into().into());
                let _ = ended.fault.set(fault.clone());
                fault
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        // hyper asks for the frames of no body that has none: it asks this once, as it writes the head.
        if self.fault.0.is_none() {
            self.tell_written();
        }
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
