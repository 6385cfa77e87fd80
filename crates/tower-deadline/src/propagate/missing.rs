//! Calls for which no deadline is found.
//!
//! Covers whether such a call fails (R21), and that somebody is told of it, with the line that made it. Does not look for
//! the deadline.

use std::panic::Location;

use http::Extensions;
use http_deadline::{Ambient, Journey, OnMissing, Policy, PolicyName};

use super::PropagateError;
use crate::{count, log};

/// A call without a deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// That of the request around it, if there is one.
    pub(super) policy: Option<PolicyName>,
    wish: Wish,
    site: &'static Location<'static>,
}

/// What the policy around a call says of one without a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Sent,
    Withheld,
    /// It would be withheld, did the policy not only observe.
    Observed,
}

impl Wish {
    fn of(policy: &Policy) -> Self {
        match (policy.requires_outgoing(), policy.is_observed()) {
            (false, _) => Self::Sent,
            (true, false) => Self::Withheld,
            (true, true) => Self::Observed,
        }
    }
}

/// Asks the policy of the request that a call is part of.
pub(super) fn ask_around<T>(extensions: &Extensions, ask: impl Fn(&Policy) -> T) -> Option<T> {
    let journey: Option<&Journey> = extensions.get();
    journey.map(|journey| ask(journey.policy())).or_else(|| Ambient::ask_policy(ask))
}

impl Missing {
    /// Of a call with these extensions, made by this line.
    pub(super) fn around(extensions: &Extensions, site: &'static Location<'static>) -> Self {
        let asked = ask_around(extensions, |policy| (policy.name(), Wish::of(policy)));
        let (policy, wish) = asked.map_or((None, Wish::Sent), |(policy, wish)| (Some(policy), wish));
        Self { policy, wish, site }
    }

    /// Tells of it, and counts what a policy that only observes would have withheld.
    pub(super) fn tell(self, layer: OnMissing) {
        log::missing(self.policy, self.site, self.accept(layer).is_err());
        if let Some(policy) = self.policy.filter(|_| self.wish == Wish::Observed) {
            count::would_withhold(policy);
        }
    }

    /// Fails where the layer or the policy of the request around wants a deadline.
    pub(super) fn accept(self, layer: OnMissing) -> Result<(), PropagateError> {
        let fails = layer == OnMissing::Reject || self.wish == Wish::Withheld;
        if fails { Err(PropagateError::Missing { site: self.site }) } else { Ok(()) }
    }
}
