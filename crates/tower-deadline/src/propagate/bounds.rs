//! What one outgoing call is held to.

use std::time::Duration;

use http::Extensions;
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, PolicyName, Stage, current};

use super::PropagateError;
use crate::grpc::Told;
use crate::watch::Watch;
use crate::{count, local_limit, now};

/// The deadline of one outgoing call, and the journey that it is part of.
///
/// The reserve of the policy is taken off what is sent, so that whoever is called stops in time. Half of it is
/// taken off the wait: in the first half the answer can come back, in the second we can answer.
#[derive(Debug)]
pub(crate) struct Bounds {
    deadline: Deadline,
    reserve: Duration,
    /// Whether there is one beside the layer's own limit.
    is_found: bool,
    /// The layer's own limit, which neither a release nor an observing policy touches.
    own: Option<Deadline>,
    /// The journey that the call is part of.
    journey: Option<Journey>,
    /// Whether the deadline is the journey's, and released with it (R18).
    inherited: bool,
    /// Whether whoever answers was sent what is left.
    reached: bool,
}

/// The soonest deadline of a call. Enough for whoever only writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Soonest {
    pub(super) deadline: Deadline,
    /// Whether there is one beside the layer's own limit.
    pub(super) is_found: bool,
    /// Whether it is the one in the extensions.
    pub(super) is_carried: bool,
    own: Option<Deadline>,
}

impl Soonest {
    /// The sooner of what these extensions carry, what is ambient, what the caller `asked` for in a field, and the
    /// layer's own limit (R21).
    #[inline]
    pub(super) fn of(extensions: &Extensions, asked: Option<Deadline>, own: Option<Deadline>) -> Option<Self> {
        let (carried, around) = (extensions.get::<Deadline>(), current());
        let found = sooner(sooner(carried, around.as_ref()), asked.as_ref());
        if let (Some(own), Some(found)) = (own, found) {
            local_limit::compare(own, *found);
        }
        let deadline = sooner(found, own.as_ref())?;
        // Of two at one instant it is the first.
        let is_carried = carried.is_some_and(|carried| carried.instant() == deadline.instant());
        Some(Self { deadline: *deadline, is_found: found.is_some(), is_carried, own })
    }
}

impl Bounds {
    /// Of the [soonest](Soonest::of) deadline of a call.
    #[cfg(feature = "reqwest")]
    pub(crate) fn of(extensions: &Extensions, asked: Option<Deadline>, own: Option<Deadline>) -> Option<Self> {
        Soonest::of(extensions, asked, own).map(|soonest| Self::at(soonest, extensions))
    }

    /// Of a call with these extensions.
    #[inline]
    pub(super) fn at(soonest: Soonest, extensions: &Extensions) -> Self {
        let Soonest { deadline, is_found, own, .. } = soonest;
        // Asked for only now: a call without a deadline needs none.
        let journey: Option<Journey> = extensions.get().cloned().or_else(|| Ambient::current().make().cloned());
        // What is sooner than the journey's was set by the caller, and stays after a release.
        let around = journey.as_ref().and_then(Journey::deadline).map(Deadline::instant);
        Self {
            reserve: journey.as_ref().map(|journey| journey.policy().reserved()).unwrap_or_default(),
            inherited: around.is_some_and(|around| around <= deadline.instant()),
            deadline,
            is_found,
            own,
            journey,
            reached: true,
        }
    }

    /// Whether a deadline was found: the layer's own limit is none (R21).
    pub(crate) fn is_found(&self) -> bool {
        self.is_found
    }

    /// The same for an answer of somebody who was sent nothing of it: a redirect led to another origin.
    #[cfg(feature = "reqwest")]
    pub(crate) fn of_a_stranger(self) -> Self {
        Self { reached: false, ..self }
    }

    /// Whether whoever answers was sent what is left, and can tell of it.
    pub(crate) fn has_reached(&self) -> bool {
        self.reached
    }

    /// What is left without the reserve, for a layer further in to find.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What whoever is called is told.
    pub(crate) fn sent(&self) -> Deadline {
        self.deadline.reserve(self.reserve)
    }

    /// The same as it comes out of the fields, which cut it off (R4): at whole milliseconds, or after at least five
    /// digits. `None` where it does not count: released, or only observed.
    pub(crate) fn told(&self) -> Option<Told> {
        let sent = self.sent();
        let told = Told(sent.reserve(Duration::from_millis(1) + sent.budget() / 100_000));
        (self.observed_by().is_none() && !self.is_released()).then_some(told)
    }

    /// Whether whoever is called may have seen its deadline pass.
    pub(crate) fn has_passed(&self) -> bool {
        self.told().is_some_and(Told::has_passed)
    }

    /// Whether the deadline itself has passed, with all of the reserve.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_expired(now())
    }

    fn is_released(&self) -> bool {
        self.inherited && self.journey.as_ref().is_some_and(Journey::is_released)
    }

    pub(crate) fn journey(&self) -> Option<&Journey> {
        self.journey.as_ref()
    }

    pub(crate) fn into_journey(self) -> Option<Journey> {
        self.journey
    }

    /// The policy of the journey.
    pub(crate) fn policy(&self) -> Option<PolicyName> {
        self.journey.as_ref().map(|journey| journey.policy().name())
    }

    /// An observing policy withholds nothing and stops nothing.
    pub(crate) fn observed_by(&self) -> Option<PolicyName> {
        let policy = self.journey.as_ref()?.policy();
        policy.is_observed().then_some(policy.name())
    }

    /// The request was stopped in this stage.
    pub(crate) fn exceeded(&self, stage: Stage) -> Exceeded {
        // What was inherited does not count then.
        let own = self.own.filter(|_| self.is_released() || self.observed_by().is_some());
        Exceeded::new(own.unwrap_or(self.deadline), stage, Cause::Deadline, now())
    }

    /// Nothing is left, so the call must not be sent (R16). An observing policy counts that, and sends without a field.
    pub(crate) fn withhold(&self) -> Result<(), PropagateError> {
        let observed = self.observed_by().map(count::would_withhold);
        observed.ok_or_else(|| PropagateError::Exceeded(self.exceeded(Stage::Unsent)))
    }

    pub(crate) fn watch(&self) -> Option<Watch> {
        if self.observed_by().is_some() {
            return self.own.map(|own| Watch::new(own, None));
        }
        let journey = self.journey.clone().filter(|_| self.inherited);
        Some(Watch::new(self.deadline, journey).with_reserve(self.reserve / 2).with_own(self.own))
    }
}

/// The sooner of the two; of two at the same instant, the first.
fn sooner<'a>(one: Option<&'a Deadline>, other: Option<&'a Deadline>) -> Option<&'a Deadline> {
    match (one, other) {
        (Some(one), Some(other)) if other.instant() < one.instant() => Some(other),
        (one, other) => one.or(other),
    }
}
