//! The clock and the waiting.
//!
//! Covers everything of this crate that names `tokio::time`: reading the clock that a test can pause, and waiting for
//! an instant of it or for a future that may not take longer. Does not know what is waited for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project::pin_project;
use tokio::task::coop::unconstrained;
use tokio::time::{self, Sleep};

/// The time by tokio's clock.
pub(crate) fn now() -> Instant {
    time::Instant::now().into_std()
}

/// What `future` yields, unless it takes longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    before(now().checked_add(limit), future).await
}

/// What `future` yields, unless it is not ready at `at`; without an instant it may take as long as it takes.
///
/// What is ready at the instant is delivered (R11).
pub(crate) fn before<F: Future>(at: Option<Instant>, future: F) -> Before<F> {
    Alarm::at(at).race(future)
}

/// See [`before`].
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Before<F> {
    #[pin]
    future: F,
    alarm: Alarm,
}

impl<F: Future> Future for Before<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => this.alarm.poll(cx).map(|()| None),
        }
    }
}

/// Goes off at an instant, or never. It costs nothing until it is polled (R12), and is polled outside tokio's
/// cooperative budget, so that nothing beside it can starve it.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Option<Instant>,
    armed: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(crate) fn at(at: Option<Instant>) -> Self {
        Self { at, armed: None }
    }

    /// What `future` yields, unless it goes off before.
    pub(crate) fn race<F: Future>(self, future: F) -> Before<F> {
        Before { future, alarm: self }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let sleep = self.armed.get_or_insert_with(|| Box::pin(time::sleep_until(at.into())));
        Pin::new(&mut unconstrained(sleep.as_mut())).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_at_the_instant_is_delivered_and_nothing_after_it() {
        let at = now() + 10 * MS;
        for (takes, yields) in [(9, Some(())), (10, Some(())), (11, None)] {
            let begun = now();
            assert_eq!(before(Some(begun + 10 * MS), time::sleep(takes * MS)).await, yields, "{takes} ms");
        }
        assert!(now() > at);
        assert_eq!(before(Some(at), ready(1)).await, Some(1), "ready, if late");
        assert_eq!(before(Some(at), pending::<()>()).await, None, "the instant has passed");
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_instant_it_takes_as_long_as_it_takes() {
        assert_eq!(before(None, time::sleep(Duration::from_secs(86_400))).await, Some(()));
        assert_eq!(within(Duration::MAX, time::sleep(MS)).await, Some(()));
    }
}
