//! The counts of the requests of a policy, looked up once for each layer: a request costs additions, and no lookup.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http_deadline::{Cause, Deadline, Exceeded, OriginKind, PolicyName, Stage};
use metrics::{Counter, Histogram, counter, histogram};

use super::name::{BUDGET, HEADROOM, OVERRUN, REQUESTS};

/// The requests of one policy.
#[derive(Debug)]
struct Handles {
    policy: PolicyName,
    /// By the kind of who set the deadline; the last: nobody.
    came: [Counter; 4],
    budget: Histogram,
    headroom: Histogram,
    overrun: Histogram,
}

/// An addition is done or not, whatever unwinds.
impl UnwindSafe for Handles {}
impl RefUnwindSafe for Handles {}

impl Handles {
    /// Counts into the recorder that is installed by now.
    fn new(policy: PolicyName) -> Self {
        let name = policy.as_str();
        let came = |origin: &'static str| counter!(REQUESTS, "policy" => name, "origin" => origin);
        Self {
            policy,
            came: ["header", "policy", "code", "none"].map(came),
            budget: histogram!(BUDGET, "policy" => name),
            headroom: histogram!(HEADROOM, "policy" => name),
            overrun: histogram!(OVERRUN, "policy" => name),
        }
    }
}

/// The counts of the policies that a layer has met. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies(Arc<Met>);

#[derive(Debug, Default)]
struct Met {
    /// Most layers have but one.
    first: OnceLock<Arc<Handles>>,
    others: RwLock<Vec<Arc<Handles>>>,
}

impl Policies {
    /// The counts of this one.
    #[inline]
    pub(crate) fn of(&self, policy: PolicyName) -> Requests {
        let Self(met) = self;
        let first = met.first.get_or_init(|| Arc::new(Handles::new(policy)));
        Requests(Some(if first.policy == policy { Arc::clone(first) } else { met.other(policy) }))
    }
}

impl Met {
    fn other(&self, policy: PolicyName) -> Arc<Handles> {
        let find = |known: &[Arc<Handles>]| known.iter().find(|known| known.policy == policy).map(Arc::clone);
        let known = find(&self.others.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
            find(&others).unwrap_or_else(|| {
                let new = Arc::new(Handles::new(policy));
                others.push(Arc::clone(&new));
                new
            })
        })
    }
}

/// The counts of the policy of one request; by default, nothing is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Option<Arc<Handles>>);

impl Requests {
    /// A request has come, and was granted this.
    #[inline]
    pub(crate) fn came(&self, deadline: Option<Deadline>) {
        self.granted(deadline.map(|deadline| (deadline.origin().kind(), deadline.budget())));
    }

    /// A request has come too late, or with too little.
    pub(crate) fn late(&self, exceeded: &Exceeded) {
        self.granted(Some((exceeded.origin().kind(), exceeded.budget())));
        if let Some(handles) = &self.0 {
            super::exceeded(handles.policy, exceeded.stage(), exceeded.cause(), Some(exceeded.origin().kind()));
        }
    }

    #[inline]
    fn granted(&self, granted: Option<(OriginKind, Duration)>) {
        let Some(handles) = &self.0 else { return };
        let kind = match granted {
            Some((OriginKind::Header, _)) => 0,
            Some((OriginKind::Policy, _)) => 1,
            Some(_) => 2,
            None => 3,
        };
        handles.came[kind].increment(1);
        if let Some((_, budget)) = granted {
            handles.budget.record(budget);
        }
    }

    /// It was stopped here, for this cause.
    pub(crate) fn stopped(&self, stage: Stage, cause: Cause, deadline: Option<Deadline>, now: Instant) {
        let Some(handles) = &self.0 else { return };
        super::exceeded(handles.policy, stage, cause, deadline.map(|deadline| deadline.origin().kind()));
        if let Some(deadline) = deadline.filter(|_| cause == Cause::Deadline) {
            handles.overrun.record(now.saturating_duration_since(deadline.instant()));
        }
    }

    /// It ended by itself, under this deadline.
    #[inline]
    pub(crate) fn ended(&self, deadline: Deadline, now: impl FnOnce() -> Instant) {
        if let Some(handles) = &self.0 {
            handles.headroom.record(deadline.remaining(now()));
        }
    }
}
