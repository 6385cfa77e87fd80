//! What is counted.
//!
//! Covers the names and labels of every count, and is the only file that names the `metrics` facade. Without the
//! feature `metrics` nothing is counted, and the functions are empty. Labels are bounded sets: words of this crate
//! and names of policies. Does not decide when to count.

use http_deadline::{Cancellation, PolicyName, Refusal, Stage};
#[cfg(feature = "metrics")]
use http_deadline::{Cause, OriginKind};

#[cfg(feature = "metrics")]
mod requests;
#[cfg(not(feature = "metrics"))]
#[path = "count/uncounted.rs"]
mod requests;

pub(crate) use self::requests::{Policies, Requests};

#[cfg(feature = "metrics")]
mod name {
    //! The names of what is counted for each request.

    pub(super) const REQUESTS: &str = "deadline_requests_total";
    pub(super) const BUDGET: &str = "deadline_budget_seconds";
    pub(super) const HEADROOM: &str = "deadline_headroom_seconds";
    pub(super) const OVERRUN: &str = "deadline_overrun_seconds";
}

/// A request was stopped in this stage, for this cause.
#[cfg(feature = "metrics")]
fn exceeded(policy: PolicyName, stage: Stage, cause: Cause, origin: Option<OriginKind>) {
    let origin = origin.map_or("none", OriginKind::as_str);
    let labels =
        [("policy", policy.as_str()), ("stage", stage.as_str()), ("cause", cause.as_str()), ("origin", origin)];
    add("deadline_exceeded_total", labels);
}

/// An observing policy let in what an enforcing one would have refused.
pub(crate) fn would_refuse(policy: PolicyName, refusal: &Refusal) {
    let reason = match refusal {
        Refusal::Exceeded(_) => "exceeded",
        Refusal::Malformed(_) => "malformed",
        Refusal::Missing => "missing",
        _ => "other",
    };
    add("deadline_would_refuse_total", [("policy", policy.as_str()), ("reason", reason)]);
}

/// A request of an observing policy was still running at its deadline, in this stage.
pub(crate) fn would_exceed(policy: PolicyName, stage: Stage) {
    add("deadline_would_exceed_total", [("policy", policy.as_str()), ("stage", stage.as_str())]);
}

/// A call went out that an enforcing policy would not have sent (R16).
pub(crate) fn would_withhold(policy: PolicyName) {
    add("deadline_would_withhold_total", [("policy", policy.as_str())]);
}

/// Somebody cancelled a scope: the first to do so, once more, or after its end.
pub(crate) fn cancelled(outcome: Cancellation) {
    let outcome = match outcome {
        Cancellation::Accepted => "accepted",
        Cancellation::Repeated => "repeated",
        Cancellation::TooLate => "too_late",
        _ => "other",
    };
    add("deadline_cancellations_total", [("outcome", outcome)]);
}

/// Adds one.
#[cfg(feature = "metrics")]
fn add<const N: usize>(name: &'static str, labels: [(&'static str, &'static str); N]) {
    metrics::counter!(name, &labels).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn add<const N: usize>(_: &'static str, _: [(&'static str, &'static str); N]) {}

#[cfg(all(test, feature = "metrics"))]
pub(crate) mod recorder;
#[cfg(all(test, feature = "metrics"))]
mod tests;
