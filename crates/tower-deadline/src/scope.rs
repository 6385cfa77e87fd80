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
    let ambient = around.deadline().map_or(deadline, |outer| outer.sooner(deadline));
    // What is only observed stops nothing, here neither.
    let deadline = if journey.policy().is_observed() { deadline } else { ambient };
    Scope::new(deadline, Ambient::new(Some(ambient), Some(journey.clone())), journey, future)
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
    tokio::spawn(Child { ended: ambient.journey().map(Journey::ended), future: Some(future), ambient })
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
    let deadline = Deadline::after(now(), budget);
    let ambient = Ambient::new(Some(deadline), Some(journey.clone()));
    tokio::spawn(Scope::new(deadline, ambient, journey, future))
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
    fn new(deadline: Deadline, ambient: Ambient, journey: Journey, future: F) -> Self {
        let around = journey.enforced().map(|(_, around)| around.instant());
        let watch = if around.is_some_and(|around| around <= deadline.instant()) {
            Watch::new(deadline, Some(journey.clone()))
        } else {
            // What runs within joins the timer of this scope (R12).
            journey.enforce(deadline);
            Watch::new(deadline, None)
        };
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
        let at = Some(this.deadline.instant());
        let outcome = match this.ambient.run(|| within(at, || future.poll(cx))) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending if this.watch.poll_expired(cx).is_ready() => {
                this.journey.stop(Cause::Deadline);
                Err(Exceeded::new(*this.deadline, this.journey.stage(), Cause::Deadline, now()))
            }
            Poll::Pending => return Poll::Pending,
        };
        this.ambient.run(|| this.future.set(None));
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
    ended: Option<Ended>,
    ambient: Ambient,
}

impl<F: Future> Future for Child<F> {
    type Output = Result<F::Output, RequestEnded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let outcome = match poll_ended(this.ended, cx) {
            Poll::Ready(ended) => Err(ended),
            Poll::Pending => match this.ambient.run(|| future.poll(cx)) {
                Poll::Ready(value) => Ok(value),
                Poll::Pending => return Poll::Pending,
            },
        };
        this.ambient.run(|| this.future.set(None));
        Poll::Ready(outcome)
    }
}

/// Never ready for a task that belongs to no request.
fn poll_ended(ended: &mut Option<Ended>, cx: &mut Context<'_>) -> Poll<RequestEnded> {
    let Some(ended) = ended else { return Poll::Pending };
    ready!(Pin::new(&mut *ended).poll(cx));
    Poll::Ready(RequestEnded { cause: ended.journey().cause() })
}

#[cfg(test)]
mod tests;
