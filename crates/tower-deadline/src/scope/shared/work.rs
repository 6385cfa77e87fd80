//! The work itself, as a task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http_deadline::{Ambient, Cause, Deadline, Journey};
use pin_project::{pin_project, pinned_drop};

use super::super::unbounded;
use super::state::{State, Until};
use crate::timer::{Timer, now};

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
    /// For the first waiter, whose policy it has: the reserve, and whether it only observes.
    pub(super) fn new(future: F, state: Arc<State<F::Output>>, first: &Ambient) -> Self {
        let journey = match first.journey() {
            Some(journey) => Journey::new(Arc::new(journey.policy().clone()), journey.client_asked()),
            None => unbounded(),
        };
        Self { future: Some(future), state, journey, timer: Timer::default(), until: None }
    }

    /// Over, with a value or for this cause.
    fn finish(self: Pin<&mut Self>, deadline: Option<Deadline>, outcome: Result<F::Output, Cause>) {
        let mut this = self.project();
        if let Err(cause) = &outcome {
            this.journey.stop(*cause);
        }
        // Told before the future is dropped, which may take its time, or panic.
        this.state.finish(outcome.ok());
        Ambient::new(deadline, Some(this.journey.clone())).run(|| this.future.set(None));
        this.journey.end();
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
                ready!(poll_passed(this.state, this.timer, this.until, cx));
                Err(Cause::Deadline)
            }
        };
        self.finish(deadline, outcome);
        Poll::Ready(())
    }
}

/// Ready once the longest deadline has passed: waiters that are held unpolled do not leave.
fn poll_passed<T>(
    state: &State<T>,
    timer: &mut Timer,
    armed_for: &mut Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let at = match state.until(now()) {
            Until::Passed => return Poll::Ready(()),
            Until::Never => None,
            Until::At(at) => Some(at),
        };
        if *armed_for != at {
            (*armed_for, *timer) = (at, Timer::default());
        }
        let Some(at) = at else { return Poll::Pending };
        ready!(timer.poll_reached(at, cx));
    }
}

#[pinned_drop]
impl<F: Future> PinnedDrop for Work<F> {
    /// Also when it panics, or its runtime ends: whoever waits is told.
    fn drop(mut self: Pin<&mut Self>) {
        if self.future.is_some() {
            self.as_mut().finish(None, Err(Cause::Cancelled));
        }
        // Also when the drop of the future has panicked.
        self.state.finish(None);
        self.journey.end();
    }
}
