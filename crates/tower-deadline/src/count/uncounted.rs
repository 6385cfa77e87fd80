//! What is counted without the feature `metrics`: nothing.

use std::time::{Duration, Instant};

use http_deadline::{Cause, Deadline, Exceeded, OriginKind, PolicyName, Stage};

/// The counts of the policies that a layer has met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policies;

/// The counts of the policy of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests;

/// The counts of the calls of one layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls;

impl Policies {
    pub(crate) fn of(self, _: PolicyName) -> Requests {
        Requests
    }
}

impl Requests {
    pub(crate) fn came(self, _: Option<Deadline>) {}

    pub(crate) fn late(self, _: &Exceeded) {}

    pub(crate) fn truncated(self) {}

    pub(crate) fn exceeded(self, _: Stage, _: Cause, _: Option<OriginKind>) {}

    pub(crate) fn overrun(self, _: Duration) {}

    pub(crate) fn ended(self, _: Deadline, _: bool, _: impl FnOnce() -> Instant) {}
}

impl Calls {
    pub(crate) fn sent(self, _: impl FnOnce() -> Option<PolicyName>) {}

    pub(crate) fn unsent(self, _: Option<PolicyName>) {}

    pub(crate) fn missing(self, _: Option<PolicyName>) {}
}
