//! The clock and the one timer.
//!
//! Covers everything of this crate that names `tokio::time`: reading the clock that a test can pause, and
//! waiting for an instant of it, by a timer of its own or by one that stands for many. Does not know what is waited for.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};
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
            if self.0.is_none() && StandingTimer::has(at, cx) {
                return Poll::Pending;
            }
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

std::thread_local! {
    /// What stands for whatever is polled here. Nothing is left in it, and so there is nothing to drop.
    static STANDING: ManuallyDrop<RefCell<StandingTimer>> =
        const { ManuallyDrop::new(RefCell::new(StandingTimer { standing: None, polled: None })) };
}

/// One timer for all requests of one task, one after the other or side by side: for a server of connections.
///
/// It stands at the first deadline that was waited for, and is moved only once it fires or where a deadline is sooner. So
/// most requests end without a timer of their own, which each would arm and disarm (R12). What is polled by another
/// task within the poll has a timer of its own, as it has without this.
///
/// It has to be polled whenever its task is, around whatever serves the requests. Without one, everything is the same.
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::pin;
/// use tower_deadline::StandingTimer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut timer, mut connection) = (StandingTimer::default(), pin!(async { /* … serve requests … */ }));
/// poll_fn(|cx| timer.poll(cx, |cx| connection.as_mut().poll(cx))).await;
/// # }
/// ```
#[derive(Debug, Default)]
pub struct StandingTimer {
    standing: Option<Standing>,
    /// Who is polled now.
    polled: Option<Task>,
}

#[derive(Debug)]
struct Standing {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes.
    wakes: Option<Task>,
}

impl StandingTimer {
    /// Polls what serves the requests.
    pub fn poll<R>(&mut self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        // One that has fired is in nobody's way, and a connection that rests needs none.
        if self.standing.as_ref().is_some_and(|standing| standing.sleep.is_elapsed()) {
            self.standing = None;
        }
        self.polled = Some(Task::of(cx.waker()));
        self.swap();
        let _stands = Stands(self);
        poll(cx)
    }

    #[inline]
    fn swap(&mut self) {
        STANDING.with(|standing| mem::swap(&mut *standing.borrow_mut(), self));
    }

    /// Whether the task is polled again at this instant, or before it, by the timer that stands here.
    fn has(at: Instant, cx: &mut Context<'_>) -> bool {
        // The waker that is let go of meanwhile may be the last of a task, and what goes with that finds no timer here.
        STANDING.with(|standing| standing.try_borrow_mut().is_ok_and(|mut standing| standing.stands_at(at, cx)))
    }

    fn stands_at(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        let (task, at) = (Task::of(cx.waker()), at.into());
        if self.polled != Some(task) {
            return false;
        }
        let fresh = || Standing { sleep: Box::pin(time::sleep_until(at)), wakes: None };
        let Standing { sleep, wakes } = self.standing.get_or_insert_with(fresh);
        let stands = sleep.deadline() <= at && !sleep.is_elapsed();
        if stands && *wakes == Some(task) {
            return true;
        }
        if !stands {
            sleep.as_mut().reset(at);
        }
        *wakes = Some(task);
        Pin::new(&mut unconstrained(sleep.as_mut())).poll(cx).is_pending()
    }
}

/// Takes it back from the thread, also when what was polled unwinds.
struct Stands<'a>(&'a mut StandingTimer);

impl Drop for Stands<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.swap();
    }
}

/// The task that a waker wakes, to be compared and no more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Task {
    data: usize,
    vtable: NonZeroUsize,
}

impl Task {
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: NonNull::from(waker.vtable()).addr() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One poll of a task with a standing timer, in which `timer` waits for `at`.
    fn poll_within(standing: &mut StandingTimer, timer: &mut Timer, at: Instant, count: &Arc<Count>) -> bool {
        let waker = Waker::from(Arc::clone(count));
        standing.poll(&mut Context::from_waker(&waker), |cx| timer.poll_reached(at, cx).is_ready())
    }

    // R12
    #[tokio::test(start_paused = true)]
    async fn one_timer_stands_for_many_and_wakes_each_at_its_instant() {
        let (mut standing, count, start) = (StandingTimer::default(), Arc::<Count>::default(), now());
        for after in 0..5 {
            let mut timer = Timer::default();
            assert!(!poll_within(&mut standing, &mut timer, start + (300 + after) * MS, &count));
            assert_eq!(armed(), 0, "none of its own");
        }
        let (mut last, at) = (Timer::default(), start + 400 * MS);
        assert!(!poll_within(&mut standing, &mut last, at, &count));
        time::advance(299 * MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        time::advance(MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "at the first instant, for another look");
        assert!(!poll_within(&mut standing, &mut last, at, &count));
        time::advance(99 * MS).await;
        assert!(count.0.load(Ordering::Relaxed) == 1 && !poll_within(&mut standing, &mut last, at, &count));
        time::advance(MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(poll_within(&mut standing, &mut last, at, &count));
        assert!(standing.standing.is_none() && armed() == 0, "who rests has none");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sooner_instant_moves_the_timer_that_stands() {
        let (mut standing, count, start) = (StandingTimer::default(), Arc::<Count>::default(), now());
        let (mut late, mut soon) = (Timer::default(), Timer::default());
        assert!(!poll_within(&mut standing, &mut late, start + 300 * MS, &count));
        assert!(!poll_within(&mut standing, &mut soon, start + 100 * MS, &count));
        time::advance(100 * MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(poll_within(&mut standing, &mut soon, start + 100 * MS, &count));
        assert!(!poll_within(&mut standing, &mut late, start + 300 * MS, &count));
        time::advance(200 * MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_task_polls_has_a_timer_of_its_own() {
        let (mut standing, count, at) = (StandingTimer::default(), Arc::<Count>::default(), now() + 300 * MS);
        let (waker, mut timer) = (Waker::from(Arc::clone(&count)), Timer::default());
        assert!(!standing.poll(&mut Context::from_waker(&waker), |_| poll(&mut timer, at)));
        assert!(armed() == 1 && standing.standing.is_none());
        // Carried to another task, the timer that stands wakes that one.
        let (mut timer, other) = (Timer::default(), Arc::<Count>::default());
        assert!(!poll_within(&mut standing, &mut timer, at, &count));
        assert!(!poll_within(&mut standing, &mut timer, at, &other));
        time::advance(300 * MS).await;
        assert_eq!((count.0.load(Ordering::Relaxed), other.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stands_after_the_poll_nor_after_a_panic() {
        let (mut standing, count, at) = (StandingTimer::default(), Arc::<Count>::default(), now() + 300 * MS);
        let waker = Waker::from(Arc::clone(&count));
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            standing.poll(&mut Context::from_waker(&waker), |_| panic!("on purpose"))
        }));
        assert!(unwound.is_err());
        let mut timer = Timer::default();
        assert!(timer.poll_reached(at, &mut Context::from_waker(&waker)).is_pending());
        assert_eq!(armed(), 1);
    }
}
