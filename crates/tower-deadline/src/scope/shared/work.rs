//! The work itself, as a task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http_deadline::{Ambient, Cause, Deadline, Journey};
use pin_project::{pin_project, pinned_drop};

use super::super::unbounded;
use super::state::State;
use crate::timer::Timer;

/// Runs under the deadline of the longest waiter, and ends with the last one.
#[pin_project(PinnedDrop)]
pub(super) struct Work<F: Future> {
    #[pin]
    future: Option<F>,
    state: Arc<State<F::Output>>,
    journey: Journey,
    timer: Timer,
    /// What the timer is armed for.
    until: Option<Instant>,
}

impl<F: Future> Work<F> {
    pub(super) fn new(future: F, state: Arc<State<F::Output>>) -> Self {
        Self { future: Some(future), state, journey: unbounded(), timer: Timer::default(), until: None }
    }

    /// Over, with a value or for this cause.
    fn finish(self: Pin<&mut Self>, deadline: Option<Deadline>, outcome: Result<F::Output, Cause>) {
        let mut this = self.project();
        if let Err(cause) = &outcome {
            this.journey.stop(*cause);
        }
        Ambient::new(deadline, Some(this.journey.clone())).run(|| this.future.set(None));
        this.journey.end();
        this.state.finish(outcome.ok());
    }
}

impl<F: Future> Future for Work<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        let Ok(deadline) = this.state.longest(cx.waker()) else {
            self.finish(None, Err(Cause::Cancelled));
            return Poll::Ready(());
        };
        let mut ambient = Ambient::new(deadline, Some(this.journey.clone()));
        let outcome = match ambient.run(|| future.poll(cx)) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => {
                let until = deadline.map(Deadline::instant);
                if *this.until != until {
                    (*this.until, *this.timer) = (until, Timer::default());
                }
                // Waiters that are held unpolled do not leave.
                let Some(true) = until.map(|at| this.timer.poll_reached(at, cx).is_ready()) else {
                    return Poll::Pending;
                };
                Err(Cause::Deadline)
            }
        };
        self.finish(deadline, outcome);
        Poll::Ready(())
    }
}

#[pinned_drop]
impl<F: Future> PinnedDrop for Work<F> {
    /// Also when it panics, or its runtime ends: whoever waits is told.
    fn drop(self: Pin<&mut Self>) {
        if self.future.is_some() {
            self.finish(None, Err(Cause::Cancelled));
        }
    }
}
