//! The clock and the one timer.
//!
//! Covers everything of this crate that names `tokio::time`: reading the clock that a test can pause, and
//! waiting for an instant of it. Does not know what is waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_deadline::Dialects;
use tokio::task::coop::unconstrained;
use tokio::time::{self, Sleep};

/// The time by tokio's clock.
///
/// Under a paused clock (`tokio::time::pause`) it stands still, where `Instant::now()` would run on.
#[must_use]
pub fn now() -> Instant {
    time::Instant::now().into_std()
}

/// What is left of the ambient deadline; `None` where there is none, zero once it has passed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_deadline::Exceeded> {
/// use std::time::Duration;
/// use tower_deadline::{Deadline, now, remaining, scope};
///
/// assert_eq!(remaining(), None);
/// let deadline = Deadline::after(now(), Duration::from_secs(1));
/// scope(deadline, async { assert!(remaining() <= Some(Duration::from_secs(1))) }).await
/// # }
/// ```
#[must_use]
pub fn remaining() -> Option<Duration> {
    http_deadline::current().map(|deadline| deadline.remaining(now()))
}

/// The time of day for these dialects; any time will do for those that do not need it.
#[expect(clippy::disallowed_methods, reason = "the absolute dialects compare wall clocks")]
pub(crate) fn wall(dialects: &Dialects) -> SystemTime {
    if dialects.needs_wall_clock() { SystemTime::now() } else { UNIX_EPOCH }
}

/// A timer that costs nothing until it is polled, and nothing after it has fired (R12).
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Armed>);

/// A sleep for one instant. The tests count how many there are.
#[derive(Debug)]
struct Armed {
    sleep: Pin<Box<Sleep>>,
    #[cfg(test)]
    _counted: tests::Counted,
}

impl Timer {
    /// Ready at `at` and after it. The first poll that has to wait arms the timer. A later poll may name a later
    /// instant; an earlier one is noticed only at a poll.
    ///
    /// The sleep is polled outside the cooperative budget: an inner future that uses the budget up would
    /// otherwise keep its own deadline from firing.
    pub(crate) fn poll_reached(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        while now() < at {
            let armed = self.0.get_or_insert_with(|| Armed::at(at));
            ready!(Pin::new(&mut unconstrained(armed.sleep.as_mut())).poll(cx));
            self.0 = None;
        }
        self.0 = None;
        Poll::Ready(())
    }

    /// Whether it is armed.
    #[cfg(test)]
    pub(crate) fn is_armed(&self) -> bool {
        self.0.is_some()
    }
}

impl Armed {
    fn at(at: Instant) -> Self {
        Self {
            sleep: Box::pin(time::sleep_until(at.into())),
            #[cfg(test)]
            _counted: tests::Counted::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;
    use std::task::Waker;

    const MS: Duration = Duration::from_millis(1);

    thread_local! {
        static ARMED: Cell<usize> = const { Cell::new(0) };
    }

    /// How many timers are armed on this thread, which is the whole of a test's runtime.
    pub(crate) fn armed() -> usize {
        ARMED.get()
    }

    #[derive(Debug)]
    pub(super) struct Counted(());

    impl Counted {
        pub(super) fn new() -> Self {
            ARMED.set(armed() + 1);
            Self(())
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            ARMED.set(armed() - 1);
        }
    }

    fn poll(timer: &mut Timer, at: Instant) -> bool {
        timer.poll_reached(at, &mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn fires_at_the_instant_and_not_before() {
        let (mut timer, at) = (Timer::default(), now() + 300 * MS);
        assert_eq!(armed(), 0);
        assert!(!poll(&mut timer, at));
        assert_eq!(armed(), 1);
        time::advance(299 * MS).await;
        assert!(!poll(&mut timer, at));
        time::advance(MS).await;
        assert!(poll(&mut timer, at));
        assert_eq!(armed(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_instant_is_waited_for_with_the_same_timer() {
        let (mut timer, at) = (Timer::default(), now() + 300 * MS);
        assert!(!poll(&mut timer, at));
        time::advance(300 * MS).await;
        assert!(!poll(&mut timer, at + MS));
        assert_eq!(armed(), 1);
        time::advance(MS).await;
        assert!(poll(&mut timer, at + MS));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_that_has_passed_needs_no_timer() {
        let mut timer = Timer::default();
        assert!(poll(&mut timer, now()));
        assert_eq!(armed(), 0);
    }
}
