//! What one outgoing call is held to.

use std::time::Duration;

use http::Extensions;
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, PolicyName, Stage};

use crate::grpc::Told;
use crate::now;
use crate::watch::Watch;

/// The deadline of one outgoing call, and the journey that it is part of.
///
/// The reserve of the policy is taken off what is sent, so that whoever is called stops in time. Half of it is
/// taken off the wait: in the first half the answer can come back, in the second we can answer.
#[derive(Debug)]
pub(crate) struct Bounds {
    deadline: Deadline,
    reserve: Duration,
    /// The layer's own limit, which neither a release nor an observing policy touches.
    own: Option<Deadline>,
    /// The journey that the call is part of.
    journey: Option<Journey>,
    /// Whether the deadline is the journey's, and released with it (R18).
    inherited: bool,
}

impl Bounds {
    /// The sooner of what these extensions carry, what is ambient, and the layer's own limit (R21).
    pub(crate) fn of(extensions: &Extensions, own: Option<Deadline>) -> Option<Self> {
        let around = Ambient::as_it_is();
        let inherited = sooner(extensions.get().copied(), around.deadline());
        let deadline = sooner(inherited, own)?;
        // Asked for only now: a call without a deadline needs none.
        let journey: Option<Journey> = extensions.get().cloned().or_else(|| Ambient::current().make().cloned());
        // What is sooner than the journey's was set by the caller, and stays after a release.
        let around = journey.as_ref().and_then(Journey::deadline).map(Deadline::instant);
        Some(Self {
            reserve: journey.as_ref().map(|journey| journey.policy().reserved()).unwrap_or_default(),
            inherited: around.is_some_and(|around| around <= deadline.instant()),
            deadline,
            own,
            journey,
        })
    }

    /// What is left without the reserve, for a layer further in to find.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What whoever is called is told.
    pub(crate) fn sent(&self) -> Deadline {
        self.deadline.reserve(self.reserve)
    }

    /// The same as it comes out of the fields, which cut it off (R4): at whole milliseconds, or after eight digits.
    pub(crate) fn told(&self) -> Told {
        let sent = self.sent();
        Told(sent.reserve(Duration::from_millis(1) + sent.budget() / 1_000_000))
    }

    pub(crate) fn journey(&self) -> Option<&Journey> {
        self.journey.as_ref()
    }

    /// An observing policy withholds nothing and stops nothing.
    pub(crate) fn observed_by(&self) -> Option<PolicyName> {
        let policy = self.journey.as_ref()?.policy();
        policy.is_observed().then_some(policy.name())
    }

    /// The request was stopped in this stage.
    pub(crate) fn exceeded(&self, stage: Stage) -> Exceeded {
        Exceeded::new(self.deadline, stage, Cause::Deadline, now())
    }

    pub(crate) fn watch(&self) -> Option<Watch> {
        if self.observed_by().is_some() {
            return self.own.map(|own| Watch::new(own, None));
        }
        let journey = self.journey.clone().filter(|_| self.inherited);
        Some(Watch::new(self.deadline, journey).with_reserve(self.reserve / 2).with_own(self.own))
    }
}

fn sooner(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.sooner(other)),
        (one, other) => one.or(other),
    }
}
