//! One waiter.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_deadline::{Ambient, Exceeded, Stage};

use super::state::{Found, State};
use crate::watch::Watch;

/// Waits for shared work; see [`Shared::wait`](super::Shared::wait). Dropping it leaves, and stops the work if nobody
/// else waits.
#[must_use = "futures do nothing unless polled"]
pub struct Wait<T> {
    /// `None` once the outcome was told.
    state: Option<Arc<State<T>>>,
    around: Ambient,
    watch: Option<Watch>,
    /// Given at the first poll.
    key: Option<u64>,
}

impl<T> Wait<T> {
    pub(super) fn new(state: Arc<State<T>>, around: Ambient, watch: Option<Watch>) -> Self {
        Self { state: Some(state), around, watch, key: None }
    }

    /// Waits no more, also where this is kept.
    fn leave(&mut self) {
        let state = self.state.take();
        if let Some((state, key)) = state.zip(self.key.take()) {
            state.leave(key);
        }
        self.watch = None;
    }

    /// At the deadline, if somebody further out does not stop the whole request then.
    fn poll_exceeded(&mut self, cx: &mut Context<'_>) -> Poll<Exceeded> {
        let Some(watch) = &mut self.watch else { return Poll::Pending };
        ready!(watch.poll_expired(cx));
        Poll::Ready(watch.exceeded(Stage::Handler))
    }
}

impl<T: Clone> Future for Wait<T> {
    type Output = Result<T, WaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { state, around, watch, key } = &mut *self;
        let Some(state) = state else {
            return Poll::Pending;
        };
        let expired = watch.as_ref().is_some_and(Watch::is_expired);
        let outcome = match state.join(key, around, cx.waker()) {
            Found::Value(value) => Ok((*value).clone()),
            Found::Stopped if !expired => Err(WaitError::Stopped),
            // The work stops with its longest waiter: then it is the deadline that is told of.
            Found::Stopped | Found::Nothing => Err(WaitError::Exceeded(ready!(self.poll_exceeded(cx)))),
        };
        self.leave();
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, around, .. } = self;
        f.debug_struct("Wait").field("state", state).field("around", around).finish_non_exhaustive()
    }
}

/// Why a waiter has no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// The waiter's own deadline passed.
    Exceeded(Exceeded),
    /// The work stopped without a value: everybody who waited had left, or it panicked.
    Stopped,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exceeded(_) => "waiting for shared work stopped at the deadline",
            Self::Stopped => "the shared work stopped without a value: its last waiter had left, or it panicked",
        })
    }
}

impl Error for WaitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded),
            Self::Stopped => None,
        }
    }
}
