//! The ambient deadline: what the running task works under.
//!
//! Covers a value of the thread, entered around each poll by whoever owns the task's future. Does not travel
//! to other tasks or threads by itself, and does not enforce. Extensions of the request are the base; the
//! ambient is for code that has no request in its hands.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;

use crate::{Deadline, Journey, Policy, Under};

std::thread_local! {
    /// Nothing is left in it where whatever was entered has been left: so there is nothing to drop, and no thread has to
    /// keep a list for that.
    static AMBIENT: ManuallyDrop<RefCell<Ambient>> = const { ManuallyDrop::new(RefCell::new(Ambient::NONE)) };
}

/// What a task works under: a deadline, and the journey it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Ambient {
    part: Part,
    limit: Limit,
}

/// What an [`Ambient`] is part of.
#[derive(Clone, Debug, Default)]
enum Part {
    #[default]
    Nothing,
    Journey(Journey),
    /// A journey under this policy that nobody has asked for yet, and whether its response head is on its way.
    Possible(Arc<Policy>, bool),
}

/// The deadline of an [`Ambient`]. Small, because it is exchanged twice around every poll.
#[derive(Clone, Debug, Default)]
enum Limit {
    #[default]
    Nothing,
    /// The one that the journey was given, until it is released.
    Journeys,
    /// Another one, until the journey is released.
    With(Arc<Deadline>),
    /// Not the journey's, and not released with it.
    Entered(Arc<Deadline>),
}

/// The deadline that the running task works under, if there is one.
///
/// Outside of a task that something entered it is `None`; so it is in a task that was spawned plainly.
#[must_use]
#[inline]
pub fn current() -> Option<Deadline> {
    Ambient::look(Ambient::deadline)
}

/// Makes `deadline`, or the sooner one that is already there, ambient on this thread until the guard is
/// dropped. Guards are dropped in the reverse order of their making.
///
/// ```
/// use http_deadline::{Deadline, current, enter};
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let short = Deadline::after(now, Duration::from_millis(5));
/// let outer = enter(short);
/// {
///     let _inner = enter(Deadline::after(now, Duration::from_secs(5)));
///     assert_eq!(current(), Some(short), "only ever sooner");
/// }
/// drop(outer);
/// assert_eq!(current(), None);
/// ```
pub fn enter(deadline: Deadline) -> Entered {
    let mut ambient = Ambient::current();
    let outer = ambient.deadline();
    if outer.is_none_or(|outer| deadline.instant() < outer.instant()) {
        ambient.limit = Limit::Entered(Arc::new(deadline));
    }
    ambient.swap();
    Entered { outer: ambient, same_thread: PhantomData }
}

/// Keeps a deadline ambient on this thread until it is dropped.
#[derive(Debug)]
#[must_use = "the deadline is ambient only while the guard lives"]
pub struct Entered {
    outer: Ambient,
    same_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.outer.swap();
    }
}

/// Keeps an [`Ambient`] so until it is dropped.
#[derive(Debug)]
#[must_use = "it is ambient only while the guard lives"]
pub struct Running<'a> {
    ambient: &'a mut Ambient,
    same_thread: PhantomData<*const ()>,
}

impl Drop for Running<'_> {
    #[inline]
    fn drop(&mut self) {
        self.ambient.swap();
    }
}

impl Ambient {
    /// No deadline, no journey.
    pub const NONE: Self = Self { part: Part::Nothing, limit: Limit::Nothing };

    /// To work under this deadline, as part of this journey.
    #[must_use]
    pub fn new(deadline: Option<Deadline>, journey: Option<Journey>) -> Self {
        let given = |deadline| journey.as_ref().and_then(Journey::given) == Some(deadline);
        let limit = match deadline {
            None => Limit::Nothing,
            Some(deadline) if given(&deadline) => Limit::Journeys,
            Some(deadline) => Limit::With(Arc::new(deadline)),
        };
        Self { part: journey.map_or(Part::Nothing, Part::Journey), limit }
    }

    /// To work as part of this journey, under the deadline that it was made under.
    #[must_use]
    #[inline]
    pub fn of(journey: Journey) -> Self {
        let limit = if journey.given().is_some() { Limit::Journeys } else { Limit::Nothing };
        Self { part: Part::Journey(journey), limit }
    }

    /// To work under this policy without a deadline. The journey is made when somebody asks for what is
    /// [current](Self::current): most requests end without that, and cost nothing then.
    #[must_use]
    #[inline]
    pub fn unbounded(policy: Arc<Policy>) -> Self {
        Self { part: Part::Possible(policy, false), limit: Limit::Nothing }
    }

    /// What the running task works under.
    #[must_use]
    pub fn current() -> Self {
        let made = |ambient: &ManuallyDrop<RefCell<Self>>| {
            let mut ambient = ambient.borrow_mut();
            ambient.make();
            ambient.clone()
        };
        AMBIENT.with(made)
    }

    /// What the running task works under, without a journey that nobody has asked for yet: a copy that could make
    /// one would make another one.
    #[must_use]
    #[inline]
    pub fn as_it_is() -> Self {
        Self::look(|around| match &around.part {
            Part::Possible(..) => Self { part: Part::Nothing, limit: around.limit.clone() },
            Part::Journey(_) | Part::Nothing => around.clone(),
        })
    }

    /// Looks at what the running task works under as it is: nothing is made, and nothing is copied. Whoever looks enters
    /// nothing meanwhile.
    ///
    /// ```
    /// use http_deadline::{Ambient, Deadline, enter};
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Deadline::after(Instant::now(), Duration::from_secs(1));
    /// let _entered = enter(deadline);
    /// assert_eq!(Ambient::look(Ambient::deadline), Some(deadline));
    /// ```
    #[inline]
    pub fn look<T>(look: impl FnOnce(&Self) -> T) -> T {
        // A mere look at a value without a destructor does not fail, not even as the thread ends.
        AMBIENT.with(|ambient| look(&ambient.borrow()))
    }

    /// Asks the policy that the running task works under, without making a journey. `None`: it works under none.
    ///
    /// ```
    /// use http_deadline::{Ambient, Policy};
    /// use std::sync::Arc;
    ///
    /// let mut ambient = Ambient::unbounded(Arc::new(Policy::new().named("payment")));
    /// let name = || Ambient::ask_policy(Policy::name).map(|name| name.as_str());
    /// assert_eq!(ambient.run(name), Some("payment"));
    /// assert_eq!(name(), None);
    /// ```
    pub fn ask_policy<T>(ask: impl FnOnce(&Policy) -> T) -> Option<T> {
        Self::look(|around| match &around.part {
            Part::Journey(journey) => Some(ask(journey.policy())),
            Part::Possible(policy, _) => Some(ask(policy)),
            Part::Nothing => None,
        })
    }

    /// The journey. It is made where nobody has asked for it yet.
    pub fn make(&mut self) -> Option<&Journey> {
        if let Part::Possible(policy, head) = &self.part {
            let journey = Journey::owned(Arc::clone(policy), false, None, Under::Nothing);
            if *head {
                journey.unwatch();
            }
            self.part = Part::Journey(journey);
        }
        self.journey()
    }

    /// The response head is on its way: see [`Journey::unwatch`].
    #[inline]
    pub fn unwatch(&mut self) {
        match &mut self.part {
            Part::Journey(journey) => journey.unwatch(),
            Part::Possible(_, head) => *head = true,
            Part::Nothing => {}
        }
    }

    /// The deadline ceases to count: see [`Journey::release`].
    pub fn release(&mut self) {
        self.limit = Limit::Nothing;
        match &self.part {
            Part::Journey(journey) => journey.release(),
            Part::Possible(..) | Part::Nothing => self.unwatch(),
        }
    }

    /// Whether there can be a deadline: not, where nothing was entered.
    #[must_use]
    #[inline]
    pub fn has_deadline(&self) -> bool {
        !matches!(self.limit, Limit::Nothing)
    }

    /// The deadline.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Option<Deadline> {
        self.bound().copied()
    }

    fn bound(&self) -> Option<&Deadline> {
        if let Limit::Entered(deadline) = &self.limit {
            return Some(deadline);
        }
        let journey = self.journey();
        let deadline = match &self.limit {
            Limit::Nothing | Limit::Entered(_) => None,
            Limit::With(deadline) => Some(&**deadline),
            Limit::Journeys => journey?.given(),
        }?;
        if journey.is_some_and(Journey::is_released) { None } else { Some(deadline) }
    }

    /// The journey, if there is one.
    #[must_use]
    #[inline]
    pub fn journey(&self) -> Option<&Journey> {
        match &self.part {
            Part::Journey(journey) => Some(journey),
            Part::Possible(..) | Part::Nothing => None,
        }
    }

    /// Runs `work`, a poll as a rule, under this ambient. Whatever was ambient before is so again
    /// afterwards, also when `work` unwinds.
    #[inline]
    pub fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let _running = self.running();
        work()
    }

    /// Makes this ambient on this thread until the guard is dropped. Guards are dropped in the reverse order of their
    /// making. For whoever would move much into the closure of [`run`](Self::run).
    #[inline(always)]
    pub fn running(&mut self) -> Running<'_> {
        self.swap();
        Running { ambient: self, same_thread: PhantomData }
    }

    #[inline]
    fn swap(&mut self) {
        AMBIENT.with(|ambient| mem::swap(&mut *ambient.borrow_mut(), self));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    #[test]
    fn is_there_during_the_work_and_gone_after_it() {
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(1));
        let journey = Journey::new(Arc::new(Policy::new()), false);
        let mut ambient = Ambient::new(Some(deadline), Some(journey));
        for _ in 0..2 {
            assert_eq!(ambient.run(current), Some(deadline));
            assert!(ambient.run(Ambient::current).journey().is_some());
            assert_eq!(current(), None);
        }
    }

    #[test]
    fn is_gone_after_a_panic_too() {
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(1));
        let mut ambient = Ambient::new(Some(deadline), None);
        let outcome = catch_unwind(AssertUnwindSafe(|| ambient.run(|| panic!("on purpose"))));
        assert!(outcome.is_err());
        assert_eq!(current(), None);
        assert_eq!(ambient.deadline(), Some(deadline), "and can be entered again");
    }

    #[test]
    fn what_runs_within_can_hide_it() {
        let deadline = Deadline::after(Instant::now(), Duration::from_secs(1));
        let _entered = enter(deadline);
        assert_eq!(Ambient::default().run(current), None);
        assert_eq!(current(), Some(deadline));
    }

    #[test]
    fn a_journey_is_made_when_somebody_asks_and_stays_the_same() {
        let mut ambient = Ambient::unbounded(Arc::new(Policy::new().named("lazy")));
        ambient.run(|| assert!(Ambient::as_it_is().journey().is_none() && current().is_none()));
        assert!(ambient.journey().is_none(), "nobody asked");
        let asked = ambient.run(Ambient::current);
        let (asked, kept) = (asked.journey().unwrap(), ambient.journey().unwrap());
        assert_eq!(asked.policy().name().as_str(), "lazy");
        kept.end();
        assert!(asked.is_ended() && !asked.is_unwatched());
    }

    #[test]
    fn a_journey_that_is_made_after_the_head_is_unwatched() {
        let mut ambient = Ambient::unbounded(Arc::new(Policy::new()));
        ambient.unwatch();
        assert!(ambient.run(Ambient::current).journey().is_some_and(Journey::is_unwatched));
    }

    // R18
    #[test]
    fn a_release_lets_go_of_the_journeys_deadline_and_not_of_an_entered_one() {
        let now = Instant::now();
        let (sooner, later) =
            (Deadline::after(now, Duration::from_secs(1)), Deadline::after(now, Duration::from_secs(2)));
        let journey = Journey::new(Arc::new(Policy::new()), false);
        Ambient::new(Some(later), Some(journey.clone())).run(|| {
            let entered = enter(sooner);
            journey.release();
            assert_eq!(current(), Some(sooner));
            drop(entered);
            assert_eq!(current(), None);
        });
    }

    #[test]
    fn stays_on_its_thread() {
        let _entered = enter(Deadline::after(Instant::now(), Duration::from_secs(1)));
        let elsewhere = std::thread::spawn(current).join();
        assert!(matches!(elsewhere, Ok(None)));
    }
}
