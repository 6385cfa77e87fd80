//! The account of a request: what is told of it beside its answer.
//!
//! Covers when something is told: as a request comes, is stopped, ends. What is told, and to whom, is for the parts. Does
//! not decide anything: a request with an account goes the way of one without.

use http_deadline::{Cause, Deadline, Policy, Refusal, Stage};

use crate::count::{Policies, Requests};
use crate::timer::now;

/// What the accounts of one layer have in common. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    counts: Policies,
}

/// The account of one request. Whoever has custody of the request has it; by default, nothing is told.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counts: Requests,
    /// Whether it was told how the request ended.
    is_closed: bool,
}

impl Accounts {
    /// Of a request that has come, and was granted this.
    #[inline]
    pub(crate) fn open(&self, policy: &Policy, deadline: Option<Deadline>) -> Account {
        let counts = self.counts.of(policy.name());
        counts.came(deadline);
        Account { counts, is_closed: false }
    }
}

impl Accounts {
    /// Of a request that was not let in.
    #[cold]
    pub(crate) fn refused(&self, policy: &Policy, refusal: &Refusal) {
        let counts = self.counts.of(policy.name());
        match refusal {
            Refusal::Exceeded(exceeded) => counts.late(exceeded),
            _ => counts.came(None),
        }
    }
}

impl Account {
    /// The request was stopped here, for this cause.
    pub(crate) fn stopped(&mut self, stage: Stage, cause: Cause, deadline: Option<Deadline>) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.counts.stopped(stage, cause, deadline, now());
        }
    }

    /// The request has come to its end, or to where its deadline ceases to count.
    #[inline]
    pub(crate) fn ended(&mut self, deadline: Option<Deadline>) {
        let closed = std::mem::replace(&mut self.is_closed, true);
        if let Some(deadline) = deadline.filter(|_| !closed) {
            self.counts.ended(deadline, now);
        }
    }
}
