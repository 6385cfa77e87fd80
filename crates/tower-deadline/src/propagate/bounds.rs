//! What one outgoing call is held to.

use std::time::Duration;

use http::Extensions;
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Stage};

use crate::now;
use crate::watch::Watch;

/// The deadline of one outgoing call, and the journey that it is part of.
///
/// The reserve of the policy is taken off what is sent, so that whoever is called stops in time. Half of it is
/// taken off the wait: in the first half the answer can come back, in the second we can answer.
#[derive(Debug)]
pub(super) struct Bounds {
    deadline: Deadline,
    reserve: Duration,
    journey: Option<Journey>,
    /// Whether the deadline came with the journey, and goes with it (R18).
    inherited: bool,
}

impl Bounds {
    /// The sooner of what the request carries, what is ambient, and the caller's own limit (R21).
    pub(super) fn of(extensions: &Extensions, own: Option<Deadline>) -> Option<Self> {
        let ambient = Ambient::current();
        let journey = extensions.get().or(ambient.journey()).cloned();
        let found = [extensions.get().copied(), ambient.deadline()];
        let inherited = found.into_iter().flatten().reduce(Deadline::sooner);
        let deadline = inherited.into_iter().chain(own).reduce(Deadline::sooner)?;
        // What is found after a release was set anew: the journey has no deadline to inherit.
        let released = journey.as_ref().is_some_and(Journey::is_released);
        Some(Self {
            reserve: journey.as_ref().map(|journey: &Journey| journey.policy().reserved()).unwrap_or_default(),
            inherited: !released && inherited.is_some_and(|inherited| inherited.instant() <= deadline.instant()),
            deadline,
            journey,
        })
    }

    /// What whoever is called is told.
    pub(super) fn sent(&self) -> Deadline {
        self.deadline.reserve(self.reserve)
    }

    pub(super) fn journey(&self) -> Option<&Journey> {
        self.journey.as_ref()
    }

    /// An observing policy withholds nothing and stops nothing.
    pub(super) fn is_observed(&self) -> bool {
        self.journey.as_ref().is_some_and(|journey| journey.policy().is_observed())
    }

    /// The request was stopped in this stage.
    pub(super) fn exceeded(&self, stage: Stage) -> Exceeded {
        Exceeded::new(self.deadline, stage, Cause::Deadline, now())
    }

    pub(super) fn watch(&self) -> Option<Watch> {
        let journey = self.journey.clone().filter(|_| self.inherited);
        (!self.is_observed()).then(|| Watch::new(self.deadline, journey).with_reserve(self.reserve / 2))
    }
}
