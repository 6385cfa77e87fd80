//! When a service is ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::ScriptedError;

/// Decides whether a [`ScriptedService`](crate::ScriptedService) is ready; the test holds it. A clone is the
/// same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    state: State,
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Open,
    Closed,
    Broken,
}

impl Gate {
    /// A gate that lets nobody through until it is opened.
    #[must_use]
    pub fn closed() -> Self {
        let gate = Self::default();
        gate.close();
        gate
    }

    /// Lets nobody through.
    pub fn close(&self) {
        self.lock().state = State::Closed;
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.change(State::Open);
    }

    /// Fails everybody.
    pub fn break_down(&self) {
        self.change(State::Broken);
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), ScriptedError>> {
        let mut inner = self.lock();
        match inner.state {
            State::Open => Poll::Ready(Ok(())),
            State::Broken => Poll::Ready(Err(ScriptedError)),
            State::Closed => {
                inner.waiting.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn change(&self, state: State) {
        let mut inner = self.lock();
        inner.state = state;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
