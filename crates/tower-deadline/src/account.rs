//! The account of a request: what is told of it beside its answer.
//!
//! Covers when something is told: as a request comes, is stopped, ends. What is told, and to whom, is for the parts. Does
//! not decide anything: a request with an account goes the way of one without.
//!
//! A request has an account with each layer that admits it, under that layer's policy. Where it is enforced by a layer of
//! its own, the account goes there in the extensions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{Extensions, Response};
use http_deadline::dialect::Asked;
use http_deadline::{Admitted, Cause, Deadline, Exceeded, OriginKind, Policy, Refusal, Stage};

use crate::Answers;
use crate::count::{self, Policies, Requests};
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
    /// Whether the policy only observes.
    is_observed: bool,
    /// Whether it was told how the request ended.
    is_closed: bool,
}

impl Accounts {
    /// Of a request that was granted this.
    #[inline]
    pub(crate) fn open(&self, came: &Came<'_>, deadline: Option<Deadline>) -> Account {
        let counts = self.counts.of(came.policy.name());
        counts.came(deadline);
        let is_observed = came.policy.is_observed();
        Account { counts, extra: Extra::open(came, deadline), is_observed, is_closed: false }
    }

    /// What was asked for could not be read, in part or at all.
    #[inline]
    pub(crate) fn asked(asked: &Asked) {
        asked.malformed_elements().for_each(|(dialect, elements)| count::invalid(dialect, elements));
    }

    /// What was asked for was granted, or less.
    #[inline]
    pub(crate) fn admitted(&self, policy: &Policy, admitted: &Admitted) {
        if admitted.truncated() {
            self.counts.of(policy.name()).truncated();
        }
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
        if self.is_observed && cause == Cause::Deadline {
            // By another's limit: an observing policy has none of its own.
            return self.ended(deadline);
        }
        self.close(stage, cause, deadline, deadline.map(|deadline| deadline.origin().kind()));
    }

    /// Whoever works on the request says that it was stopped, by a limit of its own perhaps.
    #[cold]
    pub(crate) fn told(&mut self, exceeded: &Exceeded, deadline: Option<Deadline>) {
        let granted = deadline.map(|deadline| deadline.origin().kind());
        // Another cause tells nothing of a deadline, where none was granted.
        let limit = if exceeded.cause() == Cause::Deadline { Some(exceeded.origin().kind()) } else { granted };
        self.close(exceeded.stage(), exceeded.cause(), deadline, limit);
    }

    fn close(&mut self, stage: Stage, cause: Cause, deadline: Option<Deadline>, origin: Option<OriginKind>) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.counts.exceeded(stage, cause, origin);
        self.extra.iter().for_each(|extra| extra.stopped(stage, cause));
        if let Some(deadline) = deadline.filter(|_| cause == Cause::Deadline) {
            self.counts.overrun(now().saturating_duration_since(deadline.instant()));
        }
    }

    /// The request has come to its end, or to where its deadline ceases to count.
    #[inline]
    pub(crate) fn ended(&mut self, deadline: Option<Deadline>) {
        let closed = std::mem::replace(&mut self.is_closed, true);
        if let Some(deadline) = deadline.filter(|_| !closed) {
            self.counts.ended(deadline, self.is_observed, now);
        }
    }
}

/// An account on its way to the layer that enforces. A clone is the same: the first to take it has it.
#[derive(Clone, Debug)]
struct Left(Arc<Mutex<Option<Account>>>);

impl Account {
    /// For whatever enforces further in.
    pub(crate) fn leave(self, extensions: &mut Extensions) {
        extensions.insert(Left(Arc::new(Mutex::new(Some(self)))));
    }

    /// What was left by a layer further out; otherwise one in which nothing is told.
    pub(crate) fn take(extensions: &mut Extensions) -> Self {
        let left = extensions.remove::<Left>();
        let taken = left.and_then(|Left(account)| account.lock().unwrap_or_else(PoisonError::into_inner).take());
        taken.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
