//! What holds for the work of a tier.
//!
//! Covers its deadline, in which the work is polled and at which it is dropped. Does not know what the work is, and what
//! comes after it.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Origin, Policy, Stage, enter};

use crate::{Interrupted, Outcome, Stopped, report, stage, timer};

/// The limits of a tier, from its beginning on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    deadline: Option<Deadline>,
    least: Duration,
}

impl Bounds {
    /// Those of a tier under this policy that begins now.
    pub(super) fn of(policy: &Policy) -> Self {
        let request = Self::of_request();
        if policy.is_observed() {
            return request;
        }
        let timeout = policy.timeout().into_iter().chain(policy.cap()).min();
        let own = timeout.map(|timeout| Deadline::after(timer::now(), timeout));
        let own = own.map(|own| own.with_origin(Origin::Policy(policy.name())));
        let sooner = match (own, request.deadline) {
            (Some(own), Some(request)) => Some(own.sooner(request)),
            (own, request) => own.or(request),
        };
        // R21
        Self { deadline: sooner.map(|sooner| sooner.reserve(policy.reserved())), least: policy.least() }
    }

    /// The deadline of the request alone. One that is only observed stops nothing.
    pub(super) fn of_request() -> Self {
        Self { deadline: stage::binding(&Ambient::as_it_is()), least: Duration::ZERO }
    }

    /// Whether something may begin now.
    pub(super) fn leave_room(&self) -> bool {
        let has_room = |left: Duration| !left.is_zero() && left >= self.least;
        self.deadline.is_none_or(|deadline| has_room(deadline.remaining(timer::now())))
    }

    /// Does this work, if there is room for it. It finds the deadline in the ambient, and is dropped when that has passed:
    /// what is ready at the instant is delivered (R11).
    pub(super) async fn hold<F, T, E>(&self, work: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Interrupted>,
    {
        let Some(deadline) = self.deadline else { return work().await };
        // R16
        if !self.leave_room() {
            return Err(interrupted(deadline, Stage::Unsent, Stopped::NotSent, Outcome::NotStarted).into());
        }
        let mut work = pin!(async move { work().await });
        let polled = poll_fn(|cx| {
            let _entered = enter(deadline);
            work.as_mut().poll(cx)
        });
        match timer::before(Some(deadline.instant()), polled).await {
            Some(done) => done,
            // The work lives to the end of this function, and the stage that it is in is still open.
            None => Err(interrupted(deadline, stage(), Stopped::Pending, Outcome::Unknown).into()),
        }
    }
}

/// Where the work is: as far as a request tells, and in the database otherwise.
fn stage() -> Stage {
    let open = Ambient::as_it_is().journey().map(Journey::stage);
    open.filter(|open| *open != Stage::Handler).unwrap_or(Stage::Database)
}

fn interrupted(deadline: Deadline, stage: Stage, stopped: Stopped, outcome: Outcome) -> Interrupted {
    let exceeded = Exceeded::new(deadline, stage, Cause::Deadline, timer::now());
    let interrupted = Interrupted { exceeded, stopped, outcome, backend: None };
    report::interrupted(&interrupted, None);
    interrupted
}
