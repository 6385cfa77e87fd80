//! The account of a request: what is told of it beside its answer.
//!
//! Covers when something is told: as a request comes, is stopped, ends. What is told, and to whom, is for the parts. Does
//! not decide anything: a request with an account goes the way of one without.
//!
//! A request has an account with each layer that admits it, under that layer's policy. Where it is enforced by a layer of
//! its own, the account goes there in the extensions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Extensions, Response};
use http_deadline::dialect::Asked;
use http_deadline::dialect::trail::Trail;
use http_deadline::{Admitted, Cause, Deadline, Exceeded, Journey, Origin, Policy, Refusal, Stage};

use crate::Answers;
use crate::count::{self, Policies, Requests};
use crate::log::{self, Hop};
use crate::policies::Head;
use crate::timer::now;

mod extra;
mod ledger;
mod spent;

pub(crate) use self::extra::{Extra, Open};
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
    pub(crate) head: Head<'a>,
}

/// The account of one request. Whoever has custody of the request has it; by default, nothing is told.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counts: Requests,
    /// What is told of some requests only.
    extra: Option<Open>,
    /// Whether the policy only observes.
    is_observed: bool,
    hop: Hop,
    /// Whether it was told how the request ended.
    is_closed: bool,
}

/// Where and why a request was stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop<'a> {
    pub(crate) stage: Stage,
    pub(crate) cause: Cause,
    /// What it was granted.
    pub(crate) deadline: Option<Deadline>,
    /// What it was held to: the same, or something sooner.
    pub(crate) limit: Option<Limit>,
    /// What the hop that was called has told of it, where that one has stopped it.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "it is for the log alone"))]
    pub(crate) below: Option<&'a Trail>,
}

/// What a request was held to, and who set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) origin: Origin,
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "it is for the log alone"))]
    pub(crate) budget: Duration,
}

impl From<Deadline> for Limit {
    fn from(deadline: Deadline) -> Self {
        Self { origin: deadline.origin(), budget: deadline.budget() }
    }
}

impl Accounts {
    /// Of a request that was granted this.
    #[inline]
    pub(crate) fn open(&self, came: &Came<'_>, deadline: Option<Deadline>) -> Account {
        let counts = self.counts.of(came.policy.name());
        counts.came(deadline);
        let is_observed = came.policy.is_observed();
        Account {
            counts,
            extra: Extra::open(came, deadline).map(Open::new),
            hop: Hop::of(came.answers),
            is_observed,
            is_closed: false,
        }
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
        let extra = Extra::open(came, None);
        log::refused(came, refusal, extra.as_deref());
        if let Some(extra) = extra {
            exceeded.iter().for_each(|exceeded| extra.stopped(exceeded.stage(), exceeded.cause()));
            extra.answered(answer);
        }
    }
}

impl Account {
    /// The same, for whoever has the answer.
    #[inline]
    pub(crate) fn open(&self) -> Option<Open> {
        self.extra.clone()
    }

    /// What is told of this request in particular.
    #[inline]
    pub(crate) fn extra(&self) -> Option<&Arc<Extra>> {
        self.extra.as_ref().map(Open::extra)
    }

    /// The request of this journey was stopped here, for this cause.
    pub(crate) fn stopped(
        &mut self,
        stage: Stage,
        cause: Cause,
        deadline: Option<Deadline>,
        journey: Option<&Journey>,
    ) {
        if self.is_observed && cause == Cause::Deadline {
            // By another's limit: an observing policy has none of its own.
            return self.ended(deadline);
        }
        self.close(Stop { stage, cause, deadline, limit: deadline.map(Limit::from), below: None }, journey);
    }

    /// Whoever works on the request of this journey says that it was stopped, by a limit of its own perhaps.
    #[cold]
    pub(crate) fn told(&mut self, exceeded: &Exceeded, deadline: Option<Deadline>, journey: Option<&Journey>) {
        let (stage, cause) = (exceeded.stage(), exceeded.cause());
        let own = Limit { origin: exceeded.origin(), budget: exceeded.budget() };
        // Another cause tells nothing of a deadline, where none was granted.
        let limit = if cause == Cause::Deadline { Some(own) } else { deadline.map(Limit::from) };
        self.close(Stop { stage, cause, deadline, limit, below: exceeded.trail() }, journey);
    }

    fn close(&mut self, stop: Stop<'_>, journey: Option<&Journey>) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let Stop { stage, cause, deadline, limit, .. } = stop;
        self.counts.exceeded(stage, cause, limit.map(|limit| limit.origin.kind()));
        self.extra().into_iter().for_each(|extra| extra.stopped(stage, cause));
        log::stopped(&self.hop, journey, stop, self.extra().map(|extra| &**extra));
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
