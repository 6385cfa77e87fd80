//! The record of one request: where it is, why it stopped, and who has to be told.
//!
//! Covers the stages that are open, the first cause and some later ones, the deadline that is enforced, and the wakers of
//! whatever ends with the request. Does not enforce: the layers do, and write here what they did.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderMap;

use crate::{CallEvent, Cause, Deadline, Policy, Stage};

mod ended;
mod listen;
mod notes;
mod open;
mod phase;

pub use self::ended::Ended;
use self::ended::Waiting;
pub use self::listen::Listener;
use self::listen::Listening;
pub use self::notes::Note;
use self::notes::Notes;
use self::phase::{Marks, Phase};

/// What a caller says of a cause: an error of any kind, shared by everybody who is told.
pub type Detail = Arc<dyn Error + Send + Sync>;

/// One request on its way through this process, from its head to the end of its response body.
///
/// A clone is the same journey. It stands in the extensions of the request, beside the
/// [`Deadline`](crate::Deadline); where there is none, [`Ambient::current`](crate::Ambient::current) has it alone.
///
/// ```
/// use http_deadline::{Cause, Journey, Policy, Stage};
/// use std::sync::Arc;
///
/// let journey = Journey::new(Arc::new(Policy::new()), true);
/// let guard = journey.enter(Stage::Database);
/// assert_eq!(journey.stage(), Stage::Database);
/// drop(guard);
/// assert_eq!(journey.stage(), Stage::Handler);
///
/// assert!(journey.stop(Cause::Deadline));
/// assert!(!journey.stop(Cause::ClientGone), "the first cause wins");
/// assert_eq!(journey.cause(), Some(Cause::Deadline));
/// ```
#[derive(Clone)]
pub struct Journey(Arc<Shared>);

struct Shared {
    policy: Arc<Policy>,
    client_asked: bool,
    parent: Option<Journey>,
    stages: AtomicU64,
    listening: Listening,
    stopped: OnceLock<(Cause, Option<Detail>)>,
    later: Notes,
    under: Under,
    /// What is enforced, where that was not known when the journey was made.
    enforced: OnceLock<Deadline>,
    waiting: Waiting,
}

/// What a journey is made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Under {
    /// No deadline, or one that is not known yet.
    Nothing,
    /// A deadline that somebody else enforces, or nobody.
    Inherited(Deadline),
    /// A deadline that whoever makes the journey [enforces](Journey::enforce).
    Enforced(Deadline),
}

/// What became of the wish to cancel a [`Journey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancellation {
    /// It was the first cause; whoever owns the journey is woken to look at it.
    Accepted,
    /// The journey had been stopped before, and that cause stands. Harmless.
    Repeated,
    /// The journey had ended, and there is nothing left to cancel: a mistake of the caller's, or a race that it
    /// lost. It changes nothing.
    TooLate,
}

/// An open stage; it closes when this is dropped.
#[derive(Debug)]
#[must_use = "the stage closes when the guard is dropped"]
pub struct StageGuard {
    journey: Journey,
    stage: Stage,
}

impl Journey {
    /// A journey under this policy. `client_asked`: whether a valid client field was present (R18).
    #[must_use]
    pub fn new(policy: Arc<Policy>, client_asked: bool) -> Self {
        Self::with(policy, client_asked, None, Waiting::default())
    }

    /// A journey that its maker [owns](Self::own), and under what it is made: on its own, or as a part of the one
    /// `around`. What works within it has [`Ambient::of`](crate::Ambient::of) it around.
    #[must_use]
    #[inline]
    pub fn owned(policy: Arc<Policy>, client_asked: bool, around: Option<&Self>, under: Under) -> Self {
        let waiting = Waiting::in_phase(Phase::owned());
        let mut shared = Shared::new(policy, client_asked, around.cloned(), waiting);
        shared.under = under;
        Self(Arc::new(shared))
    }

    /// A part of this journey that may end sooner: its stages show here too, its end and cause do not.
    #[must_use]
    pub fn part(&self) -> Self {
        let Self(shared) = self;
        self.part_under(Arc::clone(&shared.policy), shared.client_asked)
    }

    /// A [part](Self::part) under a policy of its own, as a second layer makes it.
    #[must_use]
    pub fn part_under(&self, policy: Arc<Policy>, client_asked: bool) -> Self {
        Self::with(policy, client_asked, Some(self.clone()), Waiting::default())
    }

    fn with(policy: Arc<Policy>, client_asked: bool, parent: Option<Self>, waiting: Waiting) -> Self {
        Self(Arc::new(Shared::new(policy, client_asked, parent, waiting)))
    }

    /// Whether both are the same journey.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The policy that let the request in.
    #[must_use]
    #[inline]
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Whether a valid client field was present, whoever's limit binds.
    #[must_use]
    pub fn client_asked(&self) -> bool {
        self.0.client_asked
    }

    /// Opens a stage.
    pub fn enter(&self, stage: Stage) -> StageGuard {
        self.change_stages(|stages| open::with(stages, stage));
        self.hear(|listener| listener.entered(stage));
        StageGuard { journey: self.clone(), stage }
    }

    /// The last stage entered that is still open; [`Stage::Handler`] if none is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        open::last(self.0.stages.load(Ordering::Relaxed)).unwrap_or(Stage::Handler)
    }

    fn change_stages(&self, change: impl Fn(u64) -> u64) {
        for Self(shared) in self.lineage() {
            let change = |stages| Some(change(stages));
            // The closure never declines, so there is no error to look at.
            let _ = shared.stages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        }
    }

    /// From here on, tells this listener what happens on the journey and on its parts, after those who came before.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        self.0.listening.add(listener);
    }

    /// Whether anybody listens, here or to a journey that this is a part of.
    #[must_use]
    #[inline]
    pub fn is_listened_to(&self) -> bool {
        self.lineage().any(|journey| !journey.0.listening.is_empty())
    }

    /// Tells everybody who listens that an outgoing attempt has come this far.
    #[inline]
    pub fn tell(&self, event: &CallEvent<'_>) {
        self.hear(|listener| listener.called(event));
    }

    /// Tells everybody who listens that an outgoing call was answered, with these fields in the head.
    #[inline]
    pub fn tell_answer(&self, fields: &HeaderMap) {
        self.hear(|listener| listener.answered(fields));
    }

    #[inline]
    fn hear(&self, told: impl Fn(&dyn Listener)) {
        self.lineage().for_each(|journey| journey.0.listening.tell(&told));
    }

    /// Records why the request stopped. Returns whether this was the first cause; later ones are [noted](Self::notes).
    pub fn stop(&self, cause: Cause) -> bool {
        self.stop_with(cause, None)
    }

    /// Like [`stop`](Self::stop), with what the caller says of the cause.
    pub fn stop_with(&self, cause: Cause, detail: Option<Detail>) -> bool {
        self.0.stopped.set((cause, detail)).map_err(|later| self.note(later)).is_ok()
    }

    /// Keeps what came too late to be the cause. The same cause again says nothing new, unless somebody gives a detail.
    fn note(&self, (cause, detail): (Cause, Option<Detail>)) {
        if self.cause() != Some(cause) || detail.is_some() {
            self.0.later.add(Note::new(cause, detail));
        }
    }

    /// What would have stopped the request, had it not been stopped before: the first four, in the order in which they
    /// came. For logs and traces; it decides nothing.
    ///
    /// ```
    /// use http_deadline::{Cause, Journey, Policy};
    /// use std::sync::Arc;
    ///
    /// let journey = Journey::new(Arc::new(Policy::new()), true);
    /// journey.stop(Cause::Superseded);
    /// journey.stop(Cause::Deadline);
    /// assert_eq!(journey.cause(), Some(Cause::Superseded));
    /// assert!(journey.notes().map(|note| note.cause()).eq([Cause::Deadline]));
    /// ```
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.0.later.iter()
    }

    /// Records why the journey is to stop, and wakes what waits for its [end](Self::ended) to look at the cause. The
    /// first cause wins, with its detail (R15). Whoever owns the journey has to look: a scope does; the layers of a
    /// server look at their deadline only, and tell of this cause then.
    pub fn cancel(&self, cause: Cause, detail: Option<Detail>) -> Cancellation {
        // What is refused comes back, to be noted, or dropped, without the lock.
        match self.0.waiting.wake_all_unless_ended(|| self.0.stopped.set((cause, detail))) {
            Some(Ok(())) => Cancellation::Accepted,
            Some(Err(later)) => {
                self.note(later);
                Cancellation::Repeated
            }
            None => Cancellation::TooLate,
        }
    }

    /// Why the request stopped; `None` while it runs and after it ended well.
    #[must_use]
    #[inline]
    pub fn cause(&self) -> Option<Cause> {
        self.0.stopped.get().map(|(cause, _)| *cause)
    }

    /// What the caller said of the cause, if it said anything.
    #[must_use]
    pub fn detail(&self) -> Option<&Detail> {
        self.0.stopped.get().and_then(|(_, detail)| detail.as_ref())
    }

    /// Records that somebody watches this deadline: what waits for the [end](Self::ended) is woken in time, and
    /// needs no timer. It holds until the journey ends, or is [unwatched](Self::unwatch). The first word stands.
    pub fn enforce(&self, deadline: Deadline) {
        // A second layer that enforces a later deadline changes nothing for the first.
        if !matches!(self.0.under, Under::Enforced(_)) {
            let _ = self.0.enforced.set(deadline);
        }
    }

    /// The soonest deadline that somebody watches, for this journey or one that it is a part of, and the
    /// journey for which it is watched. `None` before, once unwatched, and after the end.
    #[must_use]
    #[inline]
    pub fn enforced(&self) -> Option<(&Self, Deadline)> {
        let watched = |journey: &&Self| !journey.has(Marks::UNWATCHED) && !journey.is_ended();
        self.lineage()
            .filter(watched)
            .filter_map(|journey| Some((journey, *journey.0.enforced()?)))
            .min_by_key(|(_, deadline)| deadline.instant())
    }

    /// The soonest deadline that counts, for this journey or one that it is a part of, whether or not somebody
    /// still watches it.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let counts = |journey: &&Self| !journey.has(Marks::RELEASED);
        let deadlines = self.lineage().filter(counts).filter_map(|journey| journey.0.enforced());
        deadlines.min_by_key(|deadline| deadline.instant()).copied()
    }

    /// This journey for the first owner that asks, who ends it; a [part](Self::part) of it for each further one.
    #[must_use]
    pub fn own(&self) -> Self {
        let owned = self.0.waiting.phase().add(Marks::OWNED).have(Marks::OWNED);
        if owned { self.part() } else { self.clone() }
    }

    /// From here on nobody promises to wake anybody at the deadline, which still counts: the response head is
    /// on its way, and its body is polled only while the client reads.
    #[inline]
    pub fn unwatch(&self) {
        self.0.waiting.mark(Marks::UNWATCHED);
    }

    /// Whether the response head is on its way, here or in a journey that this is a part of.
    #[must_use]
    #[inline]
    pub fn is_unwatched(&self) -> bool {
        self.lineage().any(|journey| journey.has(Marks::UNWATCHED))
    }

    /// From here on the deadline does not count: the response head is on its way, and the policy does not
    /// cover the body (R18).
    pub fn release(&self) {
        self.0.waiting.mark(Marks::RELEASED);
    }

    /// Whether the deadline has ceased to count, here or in a journey that this is a part of.
    #[must_use]
    #[inline]
    pub fn is_released(&self) -> bool {
        for journey in self.lineage() {
            // The nearest that has a say: a part that enforces a sooner deadline keeps it.
            let released = journey.has(Marks::RELEASED);
            if released || journey.0.enforced().is_some() {
                return released;
            }
        }
        false
    }

    /// The deadline that its maker gave it, or that it was told is enforced.
    #[inline]
    pub(crate) fn given(&self) -> Option<&Deadline> {
        self.0.given()
    }

    #[inline]
    fn has(&self, marks: Marks) -> bool {
        self.0.waiting.phase().has(marks)
    }

    /// This journey, the one that it is a part of, and so on.
    #[inline]
    fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |journey| journey.0.parent.as_ref())
    }

    /// Ends the journey and wakes everything that waits for that. Repeating it is harmless.
    #[inline]
    pub fn end(&self) {
        self.0.waiting.end();
    }

    /// Whether the journey has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.has(Marks::ENDED)
    }

    /// Waits for the end. Dropping the future is cancel-safe: it leaves nothing behind.
    pub fn ended(&self) -> Ended {
        Ended::new(self.clone())
    }
}

impl Shared {
    #[inline]
    fn new(policy: Arc<Policy>, client_asked: bool, parent: Option<Journey>, waiting: Waiting) -> Self {
        Self {
            policy,
            client_asked,
            parent,
            stages: AtomicU64::new(0),
            listening: Listening::default(),
            stopped: OnceLock::new(),
            later: Notes::default(),
            under: Under::Nothing,
            enforced: OnceLock::new(),
            waiting,
        }
    }

    fn enforced(&self) -> Option<&Deadline> {
        match &self.under {
            Under::Enforced(deadline) => Some(deadline),
            Under::Inherited(_) | Under::Nothing => self.enforced.get(),
        }
    }

    fn given(&self) -> Option<&Deadline> {
        match &self.under {
            Under::Enforced(deadline) | Under::Inherited(deadline) => Some(deadline),
            Under::Nothing => self.enforced.get(),
        }
    }
}

impl Drop for StageGuard {
    fn drop(&mut self) {
        let stage = self.stage;
        self.journey.change_stages(|stages| open::without(stages, stage));
        self.journey.hear(|listener| listener.left(stage));
    }
}

impl fmt::Debug for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journey")
            .field("policy", &self.policy().name())
            .field("stage", &self.stage())
            .field("cause", &self.cause())
            .field("ended", &self.is_ended())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn journey() -> Journey {
        Journey::new(Arc::new(Policy::new()), false)
    }

    #[test]
    fn the_stage_is_the_last_one_entered_that_is_still_open() {
        let journey = journey();
        let body = journey.enter(Stage::RequestBody);
        let upstream = journey.enter(Stage::Upstream);
        drop(body);
        assert_eq!(journey.stage(), Stage::Upstream);
        drop(upstream);
        assert_eq!(journey.stage(), Stage::Handler);
    }

    #[test]
    fn a_part_shows_its_stages_to_the_whole_and_keeps_its_end_to_itself() {
        let whole = journey();
        let part = whole.part();
        let stage = part.enter(Stage::Database);
        assert_eq!(whole.stage(), Stage::Database);
        drop(stage);
        assert_eq!(whole.stage(), Stage::Handler);
        part.stop(Cause::Cancelled);
        part.end();
        assert!(!whole.is_ended() && whole.cause().is_none());
    }

    // R15
    #[test]
    fn the_first_cause_wins_with_its_detail_and_nothing_is_cancelled_after_the_end() {
        let detail = |text: &str| -> Option<Detail> { Some(Arc::new(std::io::Error::other(text.to_owned()))) };
        let (journey, stopped, ended) = (journey(), journey(), journey());
        assert_eq!(journey.cancel(Cause::Cancelled, detail("lost the lease")), Cancellation::Accepted);
        assert_eq!(journey.cancel(Cause::Shutdown, detail("draining")), Cancellation::Repeated);
        assert!(!journey.stop(Cause::Deadline));
        let told = journey.detail().map(ToString::to_string);
        assert_eq!((journey.cause(), told.as_deref()), (Some(Cause::Cancelled), Some("lost the lease")));
        stopped.stop(Cause::Deadline);
        assert_eq!(stopped.cancel(Cause::Cancelled, detail("late")), Cancellation::Repeated);
        ended.end();
        assert_eq!(ended.cancel(Cause::Cancelled, None), Cancellation::TooLate);
        assert!(stopped.detail().is_none() && ended.cause().is_none());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
    fn a_deadline_is_watched_until_release_or_end() {
        let now = Instant::now();
        let deadline = Deadline::at(now);
        let (released, ended) = (journey(), journey());
        assert!(released.enforced().is_none());
        for journey in [&released, &ended] {
            journey.enforce(deadline);
            journey.enforce(Deadline::at(now + Duration::from_secs(1)));
            let watched = journey.enforced().map(|(_, deadline)| deadline);
            assert_eq!(watched, Some(deadline), "the first word stands");
        }
        released.release();
        ended.end();
        assert!(released.enforced().is_none() && ended.enforced().is_none());
        assert!(released.is_released() && !ended.is_released());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
    fn a_part_is_watched_by_whoever_watches_the_sooner_deadline() {
        let now = Instant::now();
        let whole = journey();
        let part = whole.part();
        whole.enforce(Deadline::at(now + Duration::from_secs(2)));
        let instant = |journey: &Journey| journey.enforced().map(|(_, deadline)| deadline.instant());
        assert_eq!(instant(&part), Some(now + Duration::from_secs(2)));
        part.enforce(Deadline::at(now + Duration::from_secs(1)));
        assert_eq!(instant(&part), Some(now + Duration::from_secs(1)));
        part.end();
        assert_eq!(instant(&part), Some(now + Duration::from_secs(2)));
        whole.unwatch();
        assert_eq!(part.deadline().map(Deadline::instant), Some(now + Duration::from_secs(1)), "counts unwatched");
        assert!(part.enforced().is_none() && part.is_unwatched() && !part.is_released());
        whole.release();
        assert!(!part.is_released() && whole.part().is_released());
    }
}
