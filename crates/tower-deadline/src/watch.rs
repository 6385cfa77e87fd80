//! Waiting for a deadline that somebody else may be watching already (R12).
//!
//! Covers whatever is polled within a request, or beside it in another task: its request body, its outgoing
//! calls. Does not own the request: `enforce` does.
//!
//! # Who watches
//!
//! - *polled within the owner's poll*, the common case: the owner looks at its timer right after, and stops this
//!   part with the request. Where both have one waker, neither waits for the other;
//! - *polled in another task while the head is awaited*: the owner has a timer, and its end wakes this part;
//! - *polled in another task after that*: the owner is polled only while its client reads, so this part arms a
//!   timer of its own.
//!
//! An owner that has been called and is then not polled stops nothing, and neither does what relies on it: a
//! future that is made and held, or a task that blocks its thread within a request.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use http_deadline::{Cause, Deadline, Ended, Exceeded, Journey, Stage};

use crate::timer::{Task, Timer, now};

std::thread_local! {
    /// Who stops what is polled here the soonest.
    static WITHIN: Cell<Option<Within>> = const { Cell::new(None) };
}

/// Somebody further up the stack who looks at an instant right after this poll.
#[derive(Clone, Copy, Debug)]
struct Within {
    at: Instant,
    task: Option<Task>,
}

/// Until it is dropped, somebody looks at an instant after what is polled or called.
#[derive(Debug)]
pub(crate) struct Entered(Option<Within>);

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        WITHIN.set(self.0);
    }
}

/// For an owner that looks at `at` right after a poll by this waker, or a call. `None` where somebody looks sooner.
#[inline(always)]
pub(crate) fn enter(at: Option<Instant>, waker: Option<&Waker>) -> Option<Entered> {
    let at = at?;
    let outer = WITHIN.get();
    if outer.is_some_and(|outer| outer.at <= at) {
        return None;
    }
    WITHIN.set(Some(Within { at, task: waker.map(Task::of) }));
    Some(Entered(outer))
}

/// The same while `work` is done.
#[inline]
pub(crate) fn within<R>(at: Option<Instant>, waker: Option<&Waker>, work: impl FnOnce() -> R) -> R {
    let _entered = enter(at, waker);
    work()
}

/// Small, for a body has it through every layer that the body goes through.
#[derive(Debug)]
pub(crate) struct Watch {
    deadline: Deadline,
    journey: Option<Journey>,
    /// What most of them end without.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// What is kept back from it while there is an answer to give.
    reserve: Duration,
    own: Option<Deadline>,
    owner: Option<Ended>,
    timer: Timer,
}

impl Watch {
    /// Watches `deadline`, which was inherited from `journey` where there is one: a journey that is released
    /// lets go of it here too.
    #[inline]
    pub(crate) fn new(deadline: Deadline, journey: Option<Journey>) -> Self {
        Self { deadline, journey, more: None }
    }

    /// Ends so much sooner, until the head of the journey's response is out: then nothing is left to answer.
    pub(crate) fn with_reserve(mut self, reserve: Duration) -> Self {
        if !reserve.is_zero() {
            self.more().reserve = reserve;
        }
        self
    }

    /// Ends here too, whatever becomes of the journey.
    pub(crate) fn with_own(mut self, own: Option<Deadline>) -> Self {
        if own.is_some() {
            self.more().own = own;
        }
        self
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// What it watches, without the reserve.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The journey that it was inherited from.
    pub(crate) fn journey(&self) -> Option<&Journey> {
        self.journey.as_ref()
    }

    pub(crate) fn into_journey(self) -> Option<Journey> {
        self.journey
    }

    /// Whether a deadline has passed that still counts.
    pub(crate) fn is_expired(&self) -> bool {
        self.is_expired_at(now())
    }

    /// Whether it has passed at this instant.
    pub(crate) fn is_expired_at(&self, now: Instant) -> bool {
        self.instant().is_some_and(|at| now >= at)
    }

    /// Ready once the deadline has passed; never, once it has ceased to count.
    ///
    /// While an owner watches, it is the owner that stops the request, and this part with it. To be ready here
    /// first would hand the handler an error in the very poll in which the owner looks for a head, and whatever
    /// the handler made of it would be taken for its answer (R11).
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.instant() else {
            self.more.iter_mut().for_each(|more| more.timer = Timer::default());
            return Poll::Pending;
        };
        // An owner that this does not belong to may look no more while this is still waited for elsewhere.
        let within = WITHIN.get().filter(|within| within.at <= at && self.belongs());
        // Polled by the very task of the owner: whatever takes it elsewhere polls it there, for nothing stands between
        // that polls only what is woken.
        if within.is_some_and(|within| within.task == Some(Task::of(cx.waker()))) {
            return Poll::Pending;
        }
        // Also within the owner's poll: what is polled only when it is woken may be taken elsewhere after it.
        ready!(self.poll_owner(at, cx));
        // By now it may have ended.
        if within.is_some() && self.belongs() {
            return Poll::Pending;
        }
        self.more().timer.poll_reached(at, cx)
    }

    fn belongs(&self) -> bool {
        self.journey.as_ref().is_some_and(|journey| !journey.is_ended())
    }

    /// Disarms its timer, and is woken by nobody: what it was for is done, and may be held for long yet (R12).
    pub(crate) fn rest(&mut self) {
        if let Some(more) = &mut self.more {
            more.timer = Timer::default();
            more.owner = None;
        }
    }

    /// What to report when it has expired: the stage that is open, or `stage` where no journey tells.
    pub(crate) fn exceeded(&self, stage: Stage) -> Exceeded {
        let open = self.journey.as_ref().map(Journey::stage);
        self.exceeded_in(open.filter(|open| *open != Stage::Handler).unwrap_or(stage))
    }

    /// What to report when it has expired in this stage.
    pub(crate) fn exceeded_in(&self, stage: Stage) -> Exceeded {
        // A released deadline ended nothing.
        let reached = self.own().filter(|_| !self.counts()).unwrap_or(self.deadline);
        Exceeded::new(reached, stage, Cause::Deadline, now())
    }

    /// Ready where nobody watches for us; else pending, to be woken when that changes.
    fn poll_owner(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(journey) = &self.journey else {
            return Poll::Ready(());
        };
        let watched = || journey.enforced().filter(|(_, enforced)| enforced.instant() <= at);
        let Some((owner, _)) = watched() else {
            return Poll::Ready(());
        };
        // Another one, where the first has released its response and the one around it goes on.
        let more = self.more.get_or_insert_default();
        let mut known = more.owner.take().filter(|known| known.journey().is(owner)).unwrap_or_else(|| owner.ended());
        let ended = Pin::new(&mut known).poll(cx);
        let still = watched().is_some();
        more.owner = Some(known);
        // Looked at again, now that a wake-up finds us: the one of `unwatch` may have come in between.
        if ended.is_pending() && still { Poll::Pending } else { Poll::Ready(()) }
    }

    /// When this ends; `None` once nothing bounds it.
    pub(crate) fn instant(&self) -> Option<Instant> {
        let inherited = self.counts().then(|| self.reserved());
        match (inherited, self.own().map(Deadline::instant)) {
            (Some(inherited), Some(own)) => Some(inherited.min(own)),
            (inherited, own) => inherited.or(own),
        }
    }

    /// When the deadline is, and so much sooner while there is an answer to give.
    fn reserved(&self) -> Instant {
        let Some(more) = &self.more else { return self.deadline.instant() };
        let answered = || self.journey.as_ref().is_some_and(Journey::is_unwatched);
        let reserve = if answered() { Duration::ZERO } else { more.reserve };
        self.deadline.reserve(reserve).instant()
    }

    fn own(&self) -> Option<Deadline> {
        self.more.as_ref()?.own
    }

    /// Whether the deadline still counts (R18).
    fn counts(&self) -> bool {
        !self.journey.as_ref().is_some_and(Journey::is_released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_deadline::Policy;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use tokio::time::advance;

    mod race;

    const MS: Duration = Duration::from_millis(1);

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(watch: &mut Watch, count: &Arc<Count>) -> bool {
        let waker = Waker::from(Arc::clone(count));
        watch.poll_expired(&mut Context::from_waker(&waker)).is_ready()
    }

    impl Watch {
        fn is_armed(&self) -> bool {
            self.more.as_ref().is_some_and(|more| more.timer.is_armed())
        }
    }

    fn watched(deadline: Deadline) -> (Journey, Watch, Arc<Count>) {
        let journey = Journey::new(Arc::new(Policy::new()), true);
        journey.enforce(deadline);
        let watch = Watch::new(deadline, Some(journey.clone()));
        (journey, watch, Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn joins_the_owners_timer_and_arms_its_own_when_the_owner_is_gone() {
        let (journey, mut watch, count) = watched(Deadline::after(now(), 300 * MS));
        assert!(!poll(&mut watch, &count) && !watch.is_armed());
        journey.end();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "told of the end");
        assert!(!poll(&mut watch, &count) && watch.is_armed());
        advance(300 * MS).await;
        assert!(poll(&mut watch, &count) && watch.is_expired());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sooner_deadline_than_the_owners_needs_its_own_timer() {
        let (journey, ..) = watched(Deadline::after(now(), 300 * MS));
        let mut watch = Watch::new(Deadline::after(now(), 200 * MS), Some(journey));
        assert!(!poll(&mut watch, &Arc::default()) && watch.is_armed());
        advance(199 * MS).await;
        assert!(!watch.is_expired());
        advance(MS).await;
        assert!(poll(&mut watch, &Arc::default()));
    }

    /// As `FuturesUnordered` does: it polls only what was woken, and may be moved to another task in between.
    #[tokio::test(start_paused = true)]
    async fn what_was_polled_within_its_owner_is_woken_when_the_owner_looks_no_more() {
        let deadline = Deadline::after(now(), 300 * MS);
        for leave in [Journey::unwatch, Journey::end] {
            let (journey, mut watch, count) = watched(deadline);
            assert!(!within(Some(deadline.instant()), None, || poll(&mut watch, &count)) && !watch.is_armed());
            leave(&journey);
            assert_eq!(count.0.load(Ordering::Relaxed), 1, "told to look for itself");
            assert!(!poll(&mut watch, &count) && watch.is_armed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_polled_by_the_task_of_its_owner_waits_for_nobody() {
        let deadline = Deadline::after(now(), 300 * MS);
        let (journey, mut watch, count) = watched(deadline);
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let polled = within(Some(deadline.instant()), Some(&waker), || watch.poll_expired(&mut cx));
        assert!(polled.is_pending() && watch.more.is_none(), "nothing is made for it");
        journey.end();
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "the task is at work, and polls it again");
        assert!(watch.poll_expired(&mut cx).is_pending() && watch.is_armed(), "elsewhere it looks for itself");
    }

    // R18
    #[tokio::test(start_paused = true)]
    async fn a_released_deadline_never_expires() {
        let (journey, mut watch, count) = watched(Deadline::after(now(), 300 * MS));
        assert!(!poll(&mut watch, &count));
        journey.release();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "told of the release");
        advance(300 * MS).await;
        assert!(!poll(&mut watch, &count) && !watch.is_expired());
    }

    /// As `Shared` does: whoever polls it first waits no longer than for its own request, others go on.
    #[tokio::test(start_paused = true)]
    async fn what_does_not_belong_to_an_owner_is_woken_at_its_own_deadline() {
        let deadline = Deadline::after(now(), 300 * MS);
        let (journey, mut ended, count) = watched(deadline);
        journey.end();
        let mut alone = Watch::new(deadline, None);
        for watch in [&mut alone, &mut ended] {
            assert!(!within(Some(now() + MS), None, || poll(watch, &count)));
        }
        advance(299 * MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        advance(MS).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn alone_it_has_a_timer_of_its_own() {
        let mut watch = Watch::new(Deadline::after(now(), 300 * MS), None);
        assert!(!poll(&mut watch, &Arc::default()) && watch.is_armed());
    }
}
