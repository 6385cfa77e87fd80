//! A request body that ends with an error where it comes too slowly.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_deadline::BoxError;

use super::patience::Patience;
use crate::count::{self, Refusal};
use crate::limits::Rate;

/// The request body came slower than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body comes too slowly")
    }
}

impl Error for TooSlow {}

/// Where the body, which another task may read, tells the future of its request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    too_slow: AtomicBool,
    waker: AtomicWaker,
}

impl Verdict {
    /// Whether it is; the task of `cx` is woken when it becomes so.
    pub(crate) fn is_too_slow(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.too_slow.load(Ordering::Acquire)
    }

    fn give(&self) {
        self.too_slow.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A request body that is passed on exactly (R14) as long as it is fast enough, then fails once with [`TooSlow`].
///
/// A body whose frames are there when they are asked for arms no timer.
#[pin_project]
#[derive(Debug)]
pub struct RateBody<B> {
    /// `None` once it has ended, or was too slow.
    #[pin]
    inner: Option<B>,
    /// Boxed: most requests have no body.
    watched: Option<Box<Watched>>,
}

#[derive(Debug)]
struct Watched {
    patience: Patience,
    verdict: Arc<Verdict>,
    /// Set to an instant that is never too late; what it is due for may have moved on.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B> RateBody<B> {
    pub(crate) fn new(inner: B, watched: Option<(Rate, Arc<Verdict>)>) -> Self {
        let watched = watched.map(|(rate, verdict)| {
            let patience = Patience::new(rate);
            Box::new(Watched { patience, verdict, sleep: None })
        });
        Self { inner: Some(inner), watched }
    }
}

impl Watched {
    /// Ready when patience has ended.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = self.patience.wait(Instant::now());
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= end {
                return Poll::Ready(());
            }
            // Armed for an earlier wait, which something has ended.
            sleep.as_mut().reset(end);
        }
    }
}

impl<B> Body for RateBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // Value before timer: what is there was fast enough.
        if let Poll::Ready(frame) = inner.poll_frame(cx) {
            match (&frame, this.watched.as_mut()) {
                (Some(Ok(frame)), Some(watched)) => {
                    let bytes = frame.data_ref().map_or(0, Buf::remaining);
                    watched.patience.came(bytes, Instant::now());
                }
                (Some(Ok(_)), None) => {}
                _ => {
                    *this.watched = None;
                    this.inner.set(None);
                }
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(watched) = this.watched else { return Poll::Pending };
        ready!(watched.poll_wait(cx));
        count::refused(Refusal::BodyRate);
        watched.verdict.give();
        *this.watched = None;
        this.inner.set(None);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
