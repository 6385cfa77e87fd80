//! A future under a deadline.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_deadline::{Ambient, Cancellation, Cause, Deadline, Ended, Exceeded, Journey};
use pin_project::{pin_project, pinned_drop};

use super::{Canceller, abandon};
use crate::watch::{Watch, within};
use crate::{BoxError, local_limit, now};

/// A future under a deadline; see [`scope`](crate::scope()). Dropping it drops what it runs.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scope<F> {
    #[pin]
    future: Option<F>,
    watch: Watch,
    ambient: Ambient,
    deadline: Deadline,
    own: Deadline,
    journey: Journey,
    /// Wakes the scope when it is cancelled.
    ended: Option<Ended>,
}

impl<F> Scope<F> {
    /// Cancels the scope, with an error of the caller's as the detail: the source of the [`Exceeded`] that it then
    /// ends with, and of what its children end with. Its future is dropped without another poll; a value that was
    /// ready by then is delivered all the same.
    ///
    /// The first cause wins, and the answer tells whether this one was it; with the feature `metrics`, each is counted
    /// as `deadline_cancellations_total` by this outcome. Never panics.
    #[track_caller]
    pub fn cancel(&self, detail: impl Into<BoxError>) -> Cancellation {
        self.canceller().cancel(detail)
    }

    /// For whoever cancels the scope from elsewhere.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.journey.clone())
    }

    pub(super) fn new(own: Deadline, around: &Ambient, journey: Journey, future: F) -> Self {
        let outer = around.deadline();
        if let Some(outer) = outer {
            local_limit::compare(own, outer);
        }
        let sooner = outer.map_or(own, |outer| outer.sooner(own));
        // What is only observed stops nothing, here neither.
        let deadline = if journey.policy().is_observed() { own } else { sooner };
        if journey.enforced().is_none_or(|(_, outer)| deadline.instant() < outer.instant()) {
            // What runs within joins the timer of this scope (R12).
            journey.enforce(deadline);
        }
        let watch = Watch::new(deadline, around.journey().cloned()).with_own(Some(own));
        let ambient = Ambient::new(Some(sooner), Some(journey.clone()));
        Self { future: Some(future), watch, ambient, deadline, own, ended: Some(journey.ended()), journey }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = Result<F::Output, Exceeded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let at = this.watch.instant();
        let polled = match this.journey.cause() {
            None => this.ambient.run(|| within(at, Some(cx.waker()), || future.poll(cx))),
            Some(_) => Poll::Pending,
        };
        let outcome = match polled {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => {
                let cause = ready!(poll_stopped(this.watch, this.journey, this.ended, cx));
                // What was inherited may have been released since.
                let inherited = this.watch.instant().is_some_and(|at| at < this.own.instant());
                Err(exceeded(if inherited { *this.deadline } else { *this.own }, this.journey, cause))
            }
        };
        this.ambient.run(|| this.future.set(None));
        this.watch.rest();
        // Nobody is to be woken for this end.
        *this.ended = None;
        this.journey.end();
        Poll::Ready(outcome)
    }
}

/// Ready with the first cause, once there is one.
fn poll_stopped(watch: &mut Watch, journey: &Journey, ended: &mut Option<Ended>, cx: &mut Context<'_>) -> Poll<Cause> {
    if watch.poll_expired(cx).is_ready() {
        journey.stop(Cause::Deadline);
    }
    // Looked at once a wake-up finds us: a cancellation may have come in between.
    if let Some(ended) = ended {
        let _ = Pin::new(ended).poll(cx);
    }
    journey.cause().map_or(Poll::Pending, Poll::Ready)
}

fn exceeded(deadline: Deadline, journey: &Journey, cause: Cause) -> Exceeded {
    let exceeded = Exceeded::new(deadline, journey.stage(), cause, now());
    match journey.detail() {
        Some(detail) => exceeded.with_source(detail.clone()),
        None => exceeded,
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Scope<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_some() {
            abandon(this.journey, Cause::Cancelled);
            this.ambient.run(|| this.future.set(None));
        }
        this.journey.end();
    }
}
