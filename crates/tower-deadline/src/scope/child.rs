//! Tasks that end with their request.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_deadline::{Ambient, Cause, Detail, Ended, Journey};
use pin_project::{pin_project, pinned_drop};
use tokio::task::JoinHandle;

use crate::count;
use crate::watch::{Watch, within};

/// Starts a task that works under the ambient deadline and ends with the request (or [scope](crate::scope())) that
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

/// The request that a task was spawned within ended before the task did.
#[derive(Clone, Debug)]
pub struct RequestEnded {
    cause: Option<Cause>,
    detail: Option<Detail>,
}

impl RequestEnded {
    /// Why the request stopped; `None` where it ended well.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    pub(super) fn of(journey: &Journey) -> Self {
        Self { cause: journey.cause(), detail: journey.detail().cloned() }
    }

    pub(super) fn at_deadline() -> Self {
        Self { cause: Some(Cause::Deadline), detail: None }
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

impl Error for RequestEnded {
    /// What the caller said who [cancelled](super::Scope::cancel) it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.detail.as_ref().map(|detail| &**detail as _)
    }
}

/// Whether the request, or the [scope](crate::scope()), that the running code works for has ended or was told to, and
/// why. For code that nothing stops from outside: what blocks a thread looks here between its steps.
///
/// `None` where it goes on, and outside of any request. A deadline that has passed shows as soon as somebody acted on
/// it; [`remaining`](crate::remaining) shows it at once.
#[must_use]
pub fn ended() -> Option<RequestEnded> {
    let around = Ambient::current();
    let journey = around.journey()?;
    (journey.is_ended() || journey.cause().is_some()).then(|| RequestEnded::of(journey))
}

/// A task's future that ends with its request.
#[pin_project(PinnedDrop)]
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
                match this.ambient.run(|| within(at, Some(cx.waker()), || future.poll(cx))) {
                    Poll::Ready(value) => Ok(value),
                    Poll::Pending => Err(ready!(this.request.poll_expired(cx))),
                }
            }
        };
        if outcome.is_err() {
            count::task_aborted();
        }
        this.ambient.run(|| this.future.set(None));
        Poll::Ready(outcome)
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Child<F> {
    /// Also where the task is aborted.
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.ambient.run(|| this.future.set(None));
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
        Poll::Ready(RequestEnded::of(ended.journey()))
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<RequestEnded> {
        let Some(watch) = &mut self.watch else {
            return Poll::Pending;
        };
        watch.poll_expired(cx).map(|()| RequestEnded::at_deadline())
    }
}
