//! What the owner of a request keeps, from its call to the end of its response body.
//!
//! Covers the ambient around each poll, the timer, and the words to the journey: stopped, released, ended.
//! Does not know futures and bodies; they hand it around.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Extensions, HeaderMap, Request};
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Policy, Running, Stage, StageGuard, Statuses, Under};

use crate::account::Account;
use crate::admit::Found;
use crate::count;
use crate::observed::{CountedElsewhere, Observed};
use crate::scope;
use crate::timer::{Timer, now};
use crate::trace::Within;
use crate::watch::{self, Watch};

/// Held by the head future, then by the response body; whoever drops it ends the journey.
#[derive(Debug)]
pub(crate) struct Custody {
    /// Has the journey too, once there is one.
    ambient: Ambient,
    watching: Watching,
    /// What an observing policy would have done, until it is counted. Boxed: it is moved with each request, and hardly
    /// ever there.
    observed: Option<Box<Observed>>,
    account: Account,
    /// Whether work for it goes on, or has ended in a panic.
    is_working: bool,
}

/// Whatever is polled, called or dropped meanwhile works for a request. What it would not be told that it is
/// [done](Self::done) has ended in a panic.
#[must_use = "it has to be told when the work is done"]
pub(super) struct Working<'a> {
    // Left in this order.
    _owner: Option<watch::Entered>,
    _ambient: Running<'a>,
    _span: Option<Within>,
    is_working: &'a mut bool,
}

impl Working<'_> {
    #[inline(always)]
    pub(super) fn done(self) {
        *self.is_working = false;
    }
}

/// Who stops the request at its deadline.
#[derive(Debug)]
enum Watching {
    /// There is nothing to enforce, or it has ceased to count.
    Nobody,
    /// Whoever has custody, by the one timer of the request (R12).
    Ours(Deadline, Timer),
    /// Somebody further out; but what is polled here may be polled without them.
    Theirs(Box<Watch>),
}

impl Custody {
    /// Takes a request into custody. Its extensions then have the deadline that was resolved, and a journey.
    pub(super) fn take<B>(request: &mut Request<B>) -> Self {
        let extensions = request.extensions_mut();
        let around = Ambient::as_it_is();
        let observed = around.journey().is_some_and(|journey| journey.policy().is_observed());
        let inserted = extensions.get().copied();
        let deadline = match around.deadline().filter(|_| !observed) {
            Some(around) => {
                let sooner = inserted.map_or(around, |inserted: Deadline| inserted.sooner(around));
                *extensions.get_or_insert_with(|| sooner) = sooner;
                Some(sooner)
            }
            None => inserted,
        };
        let found = extensions.get_or_insert_with(|| observed_around().unwrap_or_else(alone));
        *found = found.own();
        let journey = found.clone();
        let is_ours = deadline.is_some_and(|deadline| is_ours(Some(&journey), journey.policy(), deadline));
        if let Some(deadline) = deadline.filter(|_| is_ours) {
            journey.enforce(deadline);
        }
        let is_counted = extensions.remove::<CountedElsewhere>().is_some();
        let account = Account::take(extensions);
        Self::of(Ambient::new(deadline, Some(journey)), deadline, is_ours, is_counted, account)
    }

    /// Takes a request into custody that was let in a moment ago. Its extensions then have the deadline, and a journey.
    /// One without a deadline has nothing in them, and a journey only once somebody asks what it works under.
    #[inline(always)]
    pub(crate) fn admitted(extensions: &mut Extensions, policy: &Arc<Policy>, found: &Found, account: Account) -> Self {
        let around = extensions.get::<Journey>();
        let deadline = found.deadline;
        // Somebody who listens has asked.
        if deadline.is_none() && around.is_none() && account.extra().is_none() {
            let ambient = Ambient::unbounded(Arc::clone(policy));
            return Self { ambient, watching: Watching::Nobody, observed: None, account, is_working: false };
        }
        if let Some(around) = around.filter(|_| found.only_observed) {
            // Whoever observes it counts it, too.
            let journey = around.part().own();
            extensions.insert(journey.clone());
            return Self::of(Ambient::new(deadline, Some(journey)), deadline, false, true, account);
        }
        let is_ours = deadline.is_some_and(|deadline| is_ours(around, policy, deadline));
        let under = match deadline {
            Some(deadline) if is_ours => Under::Enforced(deadline),
            Some(deadline) => Under::Inherited(deadline),
            None => Under::Nothing,
        };
        let journey = Journey::owned(Arc::clone(policy), found.client_asked, around, under);
        if let Some(deadline) = deadline {
            extensions.insert(deadline);
        }
        extensions.insert(journey.clone());
        Self::of(Ambient::of(journey), deadline, is_ours, found.would_refuse, account)
    }

    #[inline(always)]
    fn of(ambient: Ambient, deadline: Option<Deadline>, is_ours: bool, is_counted: bool, account: Account) -> Self {
        if let Some((journey, listener)) = ambient.journey().zip(account.extra()) {
            journey.listen(Arc::clone(listener) as _);
        }
        let acting = ambient.journey().filter(|journey| !journey.policy().is_observed());
        let watching = match deadline {
            Some(deadline) if is_ours => Watching::Ours(deadline, Timer::default()),
            Some(deadline) if acting.is_some() => Watching::Theirs(Box::new(Watch::new(deadline, acting.cloned()))),
            _ => Watching::Nobody,
        };
        let observed = deadline.filter(|_| !is_counted).zip(ambient.journey());
        let observed = observed.and_then(|(deadline, journey)| observed_by(journey, deadline));
        Self { ambient, watching, observed, account, is_working: false }
    }

    /// `None` where nobody has asked for it yet.
    #[inline]
    pub(crate) fn journey(&self) -> Option<&Journey> {
        self.ambient.journey()
    }

    /// Opens a stage.
    pub(super) fn enter(&mut self, stage: Stage) -> Option<StageGuard> {
        self.ambient.make().map(|journey| journey.enter(stage))
    }

    /// The deadline that whatever is polled within the request works under, whoever enforces it.
    #[inline]
    pub(super) fn inherited(&self) -> Option<Deadline> {
        match &self.watching {
            Watching::Ours(deadline, _) => Some(*deadline),
            Watching::Theirs(watch) => Some(watch.deadline()),
            Watching::Nobody => None,
        }
    }

    /// Whether the deadline reaches to the end of the body of this response (R18).
    #[inline]
    pub(super) fn covers(&self, response: &HeaderMap) -> bool {
        let covers = |journey: &Journey| journey.policy().covers_body(journey.client_asked(), response);
        self.journey().is_none_or(covers)
    }

    /// The statuses of the answer to a request that is stopped.
    pub(super) fn statuses(&self) -> Statuses {
        self.journey().map_or_else(Statuses::default, |journey| journey.policy().statuses())
    }

    /// Runs a call or a drop with the deadline ambient.
    #[inline(always)]
    pub(super) fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let working = self.begin(None);
        let outcome = work();
        working.done();
        outcome
    }

    /// Runs a poll with the deadline ambient.
    #[inline(always)]
    pub(super) fn poll<R>(&mut self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let working = self.begin(Some(cx.waker()));
        let outcome = poll(cx);
        working.done();
        outcome
    }

    /// Makes the deadline ambient: for a poll by this waker, or for a call.
    #[inline(always)]
    pub(super) fn begin(&mut self, waker: Option<&Waker>) -> Working<'_> {
        let at = self.enforced();
        let span = self.account.extra().and_then(|extra| extra.enter());
        self.is_working = true;
        let ambient = self.ambient.running();
        Working { _owner: watch::enter(at, waker), _ambient: ambient, _span: span, is_working: &mut self.is_working }
    }

    /// When it is stopped here.
    #[inline]
    fn enforced(&self) -> Option<Instant> {
        match &self.watching {
            Watching::Ours(deadline, _) => Some(deadline.instant()),
            Watching::Theirs(_) | Watching::Nobody => None,
        }
    }

    /// The deadline if it has passed. Does not wait.
    #[inline]
    pub(super) fn expired(&self) -> Option<Deadline> {
        if matches!(self.watching, Watching::Nobody) { None } else { self.expired_at(now()) }
    }

    /// The deadline if it has passed at this instant.
    #[inline]
    pub(crate) fn expired_at(&self, now: Instant) -> Option<Deadline> {
        match &self.watching {
            Watching::Ours(deadline, _) => Some(*deadline).filter(|deadline| deadline.is_expired(now)),
            Watching::Theirs(watch) => Some(watch.deadline()).filter(|_| watch.is_expired_at(now)),
            Watching::Nobody => None,
        }
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Deadline> {
        match &mut self.watching {
            Watching::Ours(deadline, timer) => timer.poll_reached(deadline.instant(), cx).map(|()| *deadline),
            Watching::Theirs(watch) => watch.poll_expired(cx).map(|()| watch.deadline()),
            Watching::Nobody => Poll::Pending,
        }
    }

    /// The deadline has passed: records that, and tells where the request was. `stage` is meant where no
    /// stage is open.
    pub(super) fn stop(&mut self, deadline: Deadline, stage: Stage) -> Exceeded {
        let stage = self.stage(stage);
        let stopped = self.journey().and_then(|journey| {
            journey.stop(Cause::Deadline);
            // The first cause is the one that stands.
            journey.cause()
        });
        let cause = stopped.unwrap_or(Cause::Deadline);
        self.account.stopped(stage, cause, Some(deadline), self.ambient.journey());
        Exceeded::new(deadline, stage, cause, now())
    }

    /// Where the request is; `stage` where no stage is open.
    fn stage(&self, stage: Stage) -> Stage {
        let open = self.journey().map(Journey::stage);
        open.filter(|open| *open != Stage::Handler).unwrap_or(stage)
    }

    /// Whatever works on the request says that it was stopped.
    #[cold]
    pub(super) fn told(&mut self, exceeded: &Exceeded) {
        let deadline = self.ambient.deadline();
        self.account.told(exceeded, deadline, self.ambient.journey());
    }

    /// The request comes to its end in this stage. Somebody may have stopped it who could say so in the words of a
    /// protocol only.
    #[inline]
    pub(super) fn finish(&mut self, stage: Stage) {
        if let Some(cause) = self.journey().and_then(Journey::cause) {
            let (stage, deadline) = (self.stage(stage), self.ambient.deadline());
            self.account.stopped(stage, cause, deadline, self.ambient.journey());
        }
    }

    /// Before a poll: counts what an observing policy would have stopped since the one before.
    #[inline]
    pub(super) fn observe(&mut self, stage: Stage) {
        self.count(Observed::has_missed, stage);
    }

    /// After a poll that was not ready: counts what an observing policy would stop now.
    #[inline]
    pub(super) fn observe_pending(&mut self, stage: Stage) {
        self.count(Observed::is_late, stage);
    }

    #[inline]
    fn count(&mut self, is_late: impl FnOnce(&Observed) -> bool, stage: Stage) {
        if self.observed.as_deref().is_some_and(is_late) {
            self.observed = None;
            if let Some(journey) = self.journey() {
                count::would_exceed(journey.policy().name(), self.stage(stage));
            }
        }
    }

    /// Whoever polled the request drops it before its end, in this stage: for the cause that stops that one, or
    /// because the client went away.
    pub(super) fn abandon(&mut self, stage: Stage) {
        // A panic is no cause of the client's, also where somebody further out has caught it by now.
        if !self.is_working && !std::thread::panicking() {
            self.observe_pending(stage);
            // Also one that nobody has asked for yet: whatever is dropped now may ask.
            if let Some(journey) = self.ambient.make() {
                scope::abandon(journey, Cause::ClientGone);
            }
            let cause = self.journey().and_then(Journey::cause).unwrap_or(Cause::ClientGone);
            let (stage, deadline) = (self.stage(stage), self.ambient.deadline());
            self.account.stopped(stage, cause, deadline, self.ambient.journey());
        }
    }

    /// Whether somebody further out enforces, and decides how far.
    pub(super) fn is_joined(&self) -> bool {
        let enforced = |journey: &Journey| journey.enforced().is_some();
        !matches!(self.watching, Watching::Ours(..)) && self.journey().is_some_and(enforced)
    }

    /// The head is out, and the body is covered.
    pub(super) fn unwatch(&mut self) {
        self.ambient.unwatch();
    }

    /// The head is out: an observing policy looks on to the end of the body, if that is covered.
    pub(super) fn observe_head(&mut self, covered: bool) {
        match &mut self.observed {
            Some(observed) if covered => observed.deliver(),
            _ => self.observed = None,
        }
    }

    /// From here on nothing is stopped at the deadline.
    pub(super) fn forget_deadline(&mut self) {
        self.watching = Watching::Nobody;
        self.observed = None;
    }

    /// The head is out, and the body is not covered: the deadline ceases to count (R18).
    pub(super) fn release(&mut self) {
        self.account.ended(self.ambient.deadline());
        self.forget_deadline();
        self.ambient.release();
    }
}

impl Drop for Custody {
    fn drop(&mut self) {
        self.account.ended(self.ambient.deadline());
        if let Some(journey) = self.journey() {
            journey.end();
        }
    }
}

/// A journey that is part of none.
fn alone() -> Journey {
    Journey::new(Arc::new(Policy::new()), true)
}

/// A part of the journey around, where that is only observed: a layer without a deadline leaves none in the extensions.
fn observed_around() -> Option<Journey> {
    let mut around = Ambient::current();
    around.make().filter(|journey| journey.policy().is_observed()).map(Journey::part)
}

/// An observing policy enforces nothing, and what an outer layer enforces already is not enforced twice.
#[inline]
fn is_ours(around: Option<&Journey>, policy: &Policy, deadline: Deadline) -> bool {
    !policy.is_observed() && !around.is_some_and(|around| is_watched(around, deadline))
}

/// Whether an outer layer stops the request before this deadline, or at it.
fn is_watched(journey: &Journey, deadline: Deadline) -> bool {
    journey.enforced().is_some_and(|(_, outer)| outer.instant() <= deadline.instant())
}

/// What there is to observe: nothing where the policy acts, or where somebody else does.
fn observed_by(journey: &Journey, deadline: Deadline) -> Option<Box<Observed>> {
    if !journey.policy().is_observed() || is_watched(journey, deadline) {
        return None;
    }
    Observed::new(deadline).map(Box::new)
}
