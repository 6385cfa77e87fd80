//! The ambient scope: a deadline for work that has no request in its hands.
//!
//! # What ends when
//!
//! - [`scope`] runs a future under a deadline, or under the sooner one around it, and ends it there;
//! - [`spawn`] starts a task that works under the deadline of the request and ends with it, for whatever
//!   cause: answered, expired, or its client gone (R15);
//! - [`detach`] starts a task that outlives the request, with a budget of its own that counts from the call.
//!
//! A task that was spawned plainly, by `tokio::spawn`, has no ambient deadline and does not end with anything.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower_deadline::{Deadline, Stage, current, now, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let deadline = Deadline::after(now(), Duration::from_millis(5));
//! let outcome = scope(deadline, async {
//!     assert_eq!(current(), Some(deadline));
//!     std::future::pending::<()>().await
//! });
//! assert_eq!(outcome.await.map_err(|exceeded| exceeded.stage()), Err(Stage::Handler));
//! # }
//! ```

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_deadline::{Ambient, Cause, Deadline, Ended, Exceeded, Journey, Policy};
use pin_project::{pin_project, pinned_drop};
use tokio::task::JoinHandle;

use crate::now;
use crate::watch::{Watch, within};

/// Runs `future` under `deadline`, or under the ambient one where that is sooner.
///
/// A value that is ready at the very instant is delivered (R11).
///
/// # Errors
///
/// [`Exceeded`] at the deadline; the future is then dropped, and what it had [spawned](spawn) ends.
pub fn scope<F: Future>(deadline: Deadline, future: F) -> Scope<F> {
    let around = Ambient::current();
    let journey = match around.journey() {
        Some(journey) => journey.part(),
        None => Journey::new(Arc::new(Policy::new()), true),
    };
    Scope::new(deadline, &around, journey, future)
}

/// Why whoever runs this poll or drop was stopped, if it was.
pub(crate) fn cause_around() -> Option<Cause> {
    Ambient::current().journey().and_then(Journey::cause)
}

/// Starts a task that works under the ambient deadline and ends with the request (or [scope](scope())) that
/// it was spawned within. The task's value is the future's, or [`RequestEnded`].
///
/// Outside of any request it is a plain task.
///
/// # Panics
///
/// Where `tokio::spawn` does: outside of a runtime.
pub fn spawn<F>(future: F) -> JoinHandle<Result<F::Output, RequestEnded>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let ambient = Ambient::current();
    tokio::spawn(Child { request: Request::of(&ambient), future: Some(future), ambient })
}

/// Starts a task that outlives the request, with a budget of its own. The budget counts from this call, and
/// the calling line is its origin.
///
/// # Panics
///
/// Where `tokio::spawn` does: outside of a runtime.
#[track_caller]
pub fn detach<F>(budget: Duration, future: F) -> JoinHandle<Result<F::Output, Exceeded>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let journey = Journey::new(Arc::new(Policy::new()), true);
    tokio::spawn(Scope::new(Deadline::after(now(), budget), &Ambient::NONE, journey, future))
}

/// The request that a task was spawned within ended before the task did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEnded {
    cause: Option<Cause>,
}

impl RequestEnded {
    /// Why the request stopped; `None` where it ended well.
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        self.cause
    }
}

impl fmt::Display for RequestEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Some(cause) => write!(f, "the request that this task belongs to was stopped ({cause})"),
            None => f.write_str("the request that this task belongs to has ended"),
        }
    }
}

impl Error for RequestEnded {}

/// A future under a deadline; see [`scope`](scope()). Dropping it drops what it runs.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scope<F> {
    #[pin]
    future: Option<F>,
    watch: Watch,
    ambient: Ambient,
    deadline: Deadline,
    journey: Journey,
}

impl<F> Scope<F> {
    fn new(own: Deadline, around: &Ambient, journey: Journey, future: F) -> Self {
        let sooner = around.deadline().map_or(own, |outer| outer.sooner(own));
        // What is only observed stops nothing, here neither.
        let deadline = if journey.policy().is_observed() { own } else { sooner };
        if journey.enforced().is_none_or(|(_, outer)| deadline.instant() < outer.instant()) {
            // What runs within joins the timer of this scope (R12).
            journey.enforce(deadline);
        }
        let watch = Watch::new(deadline, around.journey().cloned()).with_own(Some(own));
        let ambient = Ambient::new(Some(sooner), Some(journey.clone()));
        Self { future: Some(future), watch, ambient, deadline, journey }
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
        let outcome = match this.ambient.run(|| within(at, || future.poll(cx))) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending if this.watch.poll_expired(cx).is_ready() => {
                this.journey.stop(Cause::Deadline);
                Err(Exceeded::new(*this.deadline, this.journey.stage(), Cause::Deadline, now()))
            }
            Poll::Pending => return Poll::Pending,
        };
        this.ambient.run(|| this.future.set(None));
        this.watch.rest();
        this.journey.end();
        Poll::Ready(outcome)
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Scope<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_some() {
            this.journey.stop(cause_around().unwrap_or(Cause::Cancelled));
            this.ambient.run(|| this.future.set(None));
        }
        this.journey.end();
    }
}

/// A task's future that ends with its request.
#[pin_project]
struct Child<F> {
    #[pin]
    future: Option<F>,
    request: Request,
    ambient: Ambient,
}

/// The request that a task belongs to, if it belongs to one.
struct Request {
    ended: Option<Ended>,
    /// A request whose client does not read ends late.
    watch: Option<Watch>,
}

impl<F: Future> Future for Child<F> {
    type Output = Result<F::Output, RequestEnded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let outcome = match this.request.poll_ended(cx) {
            Poll::Ready(ended) => Err(ended),
            Poll::Pending => {
                let at = this.request.watch.as_ref().and_then(Watch::instant);
                match this.ambient.run(|| within(at, || future.poll(cx))) {
                    Poll::Ready(value) => Ok(value),
                    Poll::Pending => Err(ready!(this.request.poll_expired(cx))),
                }
            }
        };
        this.ambient.run(|| this.future.set(None));
        Poll::Ready(outcome)
    }
}

impl Request {
    fn of(ambient: &Ambient) -> Self {
        let enforced = ambient.journey().filter(|journey| !journey.policy().is_observed());
        let watched = enforced.cloned().zip(ambient.deadline());
        Self {
            ended: ambient.journey().map(Journey::ended),
            watch: watched.map(|(journey, deadline)| Watch::new(deadline, Some(journey))),
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<RequestEnded> {
        let Some(ended) = &mut self.ended else {
            return Poll::Pending;
        };
        ready!(Pin::new(&mut *ended).poll(cx));
        Poll::Ready(RequestEnded { cause: ended.journey().cause() })
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<RequestEnded> {
        let Some(watch) = &mut self.watch else {
            return Poll::Pending;
        };
        watch.poll_expired(cx).map(|()| RequestEnded { cause: Some(Cause::Deadline) })
    }
}

#[cfg(test)]
mod tests;
