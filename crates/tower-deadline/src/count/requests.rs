//! The counts of the requests that come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_deadline::{Cause, Deadline, Exceeded, OriginKind, PolicyName, Stage};
use metrics::{Counter, Histogram, counter, histogram};

use super::known::{Found, Handles, Known};
use super::name;

/// The requests of one policy.
#[derive(Debug)]
struct Came {
    /// By the kind of who set the deadline; the last: nobody.
    by_origin: [Counter; 4],
    truncated: Counter,
    budget: Histogram,
    headroom: Histogram,
    overrun: Histogram,
}

impl Handles for Came {
    fn of(policy: &'static str) -> Self {
        let by_origin = |origin: &'static str| counter!(name::REQUESTS, "policy" => policy, "origin" => origin);
        Self {
            by_origin: ["header", "policy", "code", "none"].map(by_origin),
            truncated: counter!(name::TRUNCATED, "policy" => policy),
            budget: histogram!(name::BUDGET, "policy" => policy),
            headroom: histogram!(name::HEADROOM, "policy" => policy),
            overrun: histogram!(name::OVERRUN, "policy" => policy),
        }
    }
}

/// The counts of the policies that a layer has met. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies(Known<Came>);

impl Policies {
    /// The counts of this one.
    #[inline]
    pub(crate) fn of(&self, policy: PolicyName) -> Requests {
        Requests(Some(self.0.of(policy.as_str())))
    }
}

/// The counts of the policy of one request; by default, nothing is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Option<Arc<Found<Came>>>);

impl Requests {
    /// A request has come, and was granted this.
    #[inline]
    pub(crate) fn came(&self, deadline: Option<Deadline>) {
        self.granted(deadline.map(|deadline| (deadline.origin().kind(), deadline.budget())));
    }

    /// A request has come too late, or with too little.
    pub(crate) fn late(&self, exceeded: &Exceeded) {
        let origin = exceeded.origin().kind();
        self.granted(Some((origin, exceeded.budget())));
        self.exceeded(exceeded.stage(), exceeded.cause(), Some(origin));
    }

    #[inline]
    fn granted(&self, granted: Option<(OriginKind, Duration)>) {
        let Some(found) = &self.0 else { return };
        let kind = match granted {
            Some((OriginKind::Header, _)) => 0,
            Some((OriginKind::Policy, _)) => 1,
            Some(_) => 2,
            None => 3,
        };
        found.handles.by_origin[kind].increment(1);
        if let Some((_, budget)) = granted {
            found.handles.budget.record(budget);
        }
    }

    /// Its client had asked for more than it was granted.
    #[cold]
    pub(crate) fn truncated(&self) {
        if let Some(found) = &self.0 {
            found.handles.truncated.increment(1);
        }
    }

    /// It was stopped here, for this cause, by a limit of this origin.
    pub(crate) fn exceeded(&self, stage: Stage, cause: Cause, origin: Option<OriginKind>) {
        if let Some(found) = &self.0 {
            super::exceeded(found.policy, stage, cause, origin);
        }
    }

    /// It ended so long after its deadline.
    pub(crate) fn overrun(&self, late: Duration) {
        if let Some(found) = &self.0 {
            found.handles.overrun.record(late);
        }
    }

    /// It ended by itself, under this deadline, which stops what runs longer; or which is only observed.
    #[inline]
    pub(crate) fn ended(&self, deadline: Deadline, is_observed: bool, now: impl FnOnce() -> Instant) {
        let Some(found) = &self.0 else { return };
        let now = now();
        if is_observed && now > deadline.instant() {
            self.overrun(now.saturating_duration_since(deadline.instant()));
        } else {
            found.handles.headroom.record(deadline.remaining(now));
        }
    }
}
