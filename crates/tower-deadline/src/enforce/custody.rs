//! What the owner of a request keeps, from its call to the end of its response body.
//!
//! Covers the ambient around each poll, the timer, and the words to the journey: stopped, released, ended.
//! Does not know futures and bodies; they hand it around.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Extensions, Request};
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Policy, Stage};

use crate::count;
use crate::observed::{Observed, WouldRefuse};
use crate::scope;
use crate::timer::now;
use crate::watch::{Watch, within};

/// Held by the head future, then by the response body; whoever drops it ends the journey.
#[derive(Debug)]
pub(super) struct Custody {
    journey: Journey,
    /// When it is stopped here; `None` where there is nothing to enforce, or somebody else does.
    enforced: Option<Instant>,
    /// Also where somebody further out enforces: what is polled here may be polled without them.
    watch: Option<Watch>,
    ambient: Ambient,
    /// What an observing policy would have done, until it is counted.
    observed: Option<Observed>,
}

impl Custody {
    /// Takes a request into custody. Its extensions then have the deadline that was resolved, and a journey.
    pub(super) fn take<B>(request: &mut Request<B>) -> Self {
        let extensions = request.extensions_mut();
        let around = Ambient::current();
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
        let found = extensions.get_or_insert_with(|| Journey::new(Arc::new(Policy::new()), true));
        *found = found.own();
        let journey = found.clone();
        let enforced = deadline.filter(|deadline| is_ours(&journey, *deadline));
        if let Some(deadline) = enforced {
            journey.enforce(deadline);
        }
        let joined = enforced.is_none().then(|| journey.clone());
        let watch = deadline.filter(|_| !journey.policy().is_observed());
        let observed = deadline.and_then(|deadline| observed_by(&journey, deadline, extensions));
        Self {
            enforced: enforced.map(Deadline::instant),
            watch: watch.map(|deadline| Watch::new(deadline, joined)),
            ambient: Ambient::new(deadline, Some(journey.clone())),
            journey,
            observed,
        }
    }

    pub(super) fn journey(&self) -> &Journey {
        &self.journey
    }

    /// The deadline that whatever is polled within the request works under, whoever enforces it.
    pub(super) fn inherited(&self) -> Option<Deadline> {
        let observed = self.journey.policy().is_observed();
        self.ambient.deadline().filter(|_| !observed)
    }

    /// Runs a call, a poll or a drop with the deadline ambient.
    #[inline]
    pub(super) fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let at = self.enforced;
        self.ambient.run(|| within(at, work))
    }

    /// The deadline if it has passed. Does not wait.
    pub(super) fn expired(&self) -> Option<Deadline> {
        self.watch.as_ref().filter(|watch| watch.is_expired()).map(Watch::deadline)
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Deadline> {
        let Some(watch) = &mut self.watch else {
            return Poll::Pending;
        };
        watch.poll_expired(cx).map(|()| watch.deadline())
    }

    /// The deadline has passed: records that, and tells where the request was. `stage` is meant where no
    /// stage is open.
    pub(super) fn stop(&self, deadline: Deadline, stage: Stage) -> Exceeded {
        let stage = self.stage(stage);
        self.journey.stop(Cause::Deadline);
        // The first cause is the one that stands.
        let cause = self.journey.cause().unwrap_or(Cause::Deadline);
        Exceeded::new(deadline, stage, cause, now())
    }

    /// Where the request is; `stage` where no stage is open.
    fn stage(&self, stage: Stage) -> Stage {
        let open = self.journey.stage();
        if open == Stage::Handler { stage } else { open }
    }

    /// Before a poll: counts what an observing policy would have stopped since the one before.
    pub(super) fn observe(&mut self, stage: Stage) {
        self.count(Observed::has_missed, stage);
    }

    /// After a poll that was not ready: counts what an observing policy would stop now.
    pub(super) fn observe_pending(&mut self, stage: Stage) {
        self.count(Observed::is_late, stage);
    }

    fn count(&mut self, is_late: impl FnOnce(&Observed) -> bool, stage: Stage) {
        if self.observed.as_ref().is_some_and(is_late) {
            self.observed = None;
            count::would_exceed(self.journey.policy().name(), self.stage(stage));
        }
    }

    /// Whoever polled the request drops it before its end, in this stage: for the cause that stops that one, or
    /// because the client went away.
    pub(super) fn abandon(&mut self, stage: Stage) {
        // A panic is no cause of the client's.
        if !std::thread::panicking() {
            self.observe_pending(stage);
            scope::abandon(&self.journey, Cause::ClientGone);
        }
    }

    /// Whether somebody further out enforces, and decides how far.
    pub(super) fn is_joined(&self) -> bool {
        self.enforced.is_none() && self.journey.enforced().is_some()
    }

    /// The head is out, and the body is covered.
    pub(super) fn unwatch(&self) {
        self.journey.unwatch();
    }

    /// The head is out: an observing policy looks on to the end of the body, if that is covered.
    pub(super) fn observe_head(&mut self, covered: bool) {
        self.observed = self.observed.take().filter(|_| covered).map(Observed::delivered);
    }

    /// From here on nothing is stopped at the deadline.
    pub(super) fn forget_deadline(&mut self) {
        self.enforced = None;
        self.watch = None;
        self.observed = None;
    }

    /// The head is out, and the body is not covered: the deadline ceases to count (R18).
    pub(super) fn release(&mut self) {
        self.forget_deadline();
        self.ambient = Ambient::new(None, Some(self.journey.clone()));
        self.journey.release();
    }
}

impl Drop for Custody {
    fn drop(&mut self) {
        self.journey.end();
    }
}

/// An observing policy enforces nothing, and what an outer layer enforces already is not enforced twice.
fn is_ours(journey: &Journey, deadline: Deadline) -> bool {
    !is_watched(journey, deadline) && !journey.policy().is_observed()
}

/// Whether an outer layer stops the request before this deadline, or at it.
fn is_watched(journey: &Journey, deadline: Deadline) -> bool {
    journey.enforced().is_some_and(|(_, outer)| outer.instant() <= deadline.instant())
}

/// What there is to observe: nothing where the policy acts, where somebody else does, or where the request would
/// not have been let in.
fn observed_by(journey: &Journey, deadline: Deadline, extensions: &mut Extensions) -> Option<Observed> {
    if !journey.policy().is_observed() {
        return None;
    }
    let refused = extensions.remove::<WouldRefuse>().is_some();
    if refused || is_watched(journey, deadline) { None } else { Observed::new(deadline) }
}
