//! The account of a request: what is told of it beside its answer.
//!
//! Covers when something is told: as a request comes, is stopped, ends. What is told, and to whom, is for the parts. Does
//! not decide anything: a request with an account goes the way of one without.

use std::sync::Arc;
use std::time::Instant;

use http::Response;
use http_deadline::{Cause, Deadline, Policy, Refusal, Stage};

use crate::Answers;
use crate::count::{Policies, Requests};
use crate::timer::now;

mod extra;
mod ledger;
mod spent;

pub(crate) use self::extra::Extra;
pub use self::spent::Spent;

/// What the accounts of one layer have in common. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    counts: Policies,
}

/// A request that has come.
#[derive(Debug)]
pub(crate) struct Came<'a> {
    pub(crate) policy: &'a Policy,
    /// How this hop answers, which has its name.
    pub(crate) answers: &'a Answers,
    pub(crate) at: Instant,
}

/// The account of one request. Whoever has custody of the request has it; by default, nothing is told.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counts: Requests,
    /// What is told of some requests only.
    extra: Option<Arc<Extra>>,
    /// Whether it was told how the request ended.
    is_closed: bool,
}

impl Accounts {
    /// Of a request that was granted this.
    #[inline]
    pub(crate) fn open(&self, came: &Came<'_>, deadline: Option<Deadline>) -> Account {
        let counts = self.counts.of(came.policy.name());
        counts.came(deadline);
        Account { counts, extra: Extra::open(came, deadline), is_closed: false }
    }

    /// Of a request that was not let in, and its answer.
    #[cold]
    pub(crate) fn refused<B>(&self, came: &Came<'_>, refusal: &Refusal, answer: &mut Response<B>) {
        let counts = self.counts.of(came.policy.name());
        let exceeded = match refusal {
            Refusal::Exceeded(exceeded) => Some(exceeded),
            _ => None,
        };
        match exceeded {
            Some(exceeded) => counts.late(exceeded),
            None => counts.came(None),
        }
        if let Some(extra) = Extra::open(came, None) {
            exceeded.iter().for_each(|exceeded| extra.stopped(exceeded.stage(), exceeded.cause()));
            extra.answered(answer);
        }
    }
}

impl Account {
    /// What is told of this request in particular.
    #[inline]
    pub(crate) fn extra(&self) -> Option<&Arc<Extra>> {
        self.extra.as_ref()
    }

    /// The request was stopped here, for this cause.
    pub(crate) fn stopped(&mut self, stage: Stage, cause: Cause, deadline: Option<Deadline>) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.counts.stopped(stage, cause, deadline, now());
            self.extra.iter().for_each(|extra| extra.stopped(stage, cause));
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

#[cfg(test)]
mod tests;
