//! The counts of requests without the feature `metrics`: none.

use std::time::Instant;

use http_deadline::{Cause, Deadline, Exceeded, PolicyName, Stage};

/// The counts of the policies that a layer has met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policies;

/// The counts of the policy of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requests;

impl Policies {
    pub(crate) fn of(self, _: PolicyName) -> Requests {
        Requests
    }
}

impl Requests {
    pub(crate) fn came(self, _: Option<Deadline>) {}

    pub(crate) fn late(self, _: &Exceeded) {}

    pub(crate) fn stopped(self, _: Stage, _: Cause, _: Option<Deadline>, _: Instant) {}

    pub(crate) fn ended(self, _: Deadline, _: impl FnOnce() -> Instant) {}
}
