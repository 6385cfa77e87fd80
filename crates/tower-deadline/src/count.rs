//! What is counted.
//!
//! Covers the names and labels of every count, and with its folder names the `metrics` facade alone. Without the
//! feature `metrics` nothing is counted, and the functions are empty. Labels are bounded sets: words of this crate
//! and names of policies. Does not decide when to count.

use http_deadline::{Cancellation, Dialect, PolicyName, Refusal, Stage};
#[cfg(feature = "metrics")]
use http_deadline::{Cause, OriginKind};

use crate::local_limit::Effect;

#[cfg(feature = "metrics")]
mod calls;
#[cfg(feature = "metrics")]
mod describe;
#[cfg(feature = "metrics")]
mod known;
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "what is not counted needs no name"))]
mod name;
#[cfg(feature = "metrics")]
mod requests;
#[cfg(not(feature = "metrics"))]
mod uncounted;

#[cfg(feature = "metrics")]
pub use self::describe::describe_metrics;
#[cfg(not(feature = "metrics"))]
pub(crate) use self::uncounted::{Calls, Policies, Requests};
#[cfg(feature = "metrics")]
pub(crate) use self::{
    calls::Calls,
    requests::{Policies, Requests},
};

/// A request was stopped in this stage, for this cause.
#[cfg(feature = "metrics")]
fn exceeded(policy: &'static str, stage: Stage, cause: Cause, origin: Option<OriginKind>) {
    let origin = origin.map_or("none", OriginKind::as_str);
    let labels = [("policy", policy), ("stage", stage.as_str()), ("cause", cause.as_str()), ("origin", origin)];
    add(name::EXCEEDED, labels);
}

/// So many elements of fields of this dialect are malformed (R5).
pub(crate) fn invalid(dialect: Dialect, elements: u32) {
    add_all(name::INVALID, elements, [("dialect", dialect.as_str())]);
}

/// A task was ended because its request had ended (R15).
pub(crate) fn task_aborted() {
    add(name::TASKS_ABORTED, []);
}

/// An observing policy let in what an enforcing one would have refused.
pub(crate) fn would_refuse(policy: PolicyName, refusal: &Refusal) {
    let reason = match refusal {
        Refusal::Exceeded(_) => "exceeded",
        Refusal::Malformed(_) => "malformed",
        Refusal::Missing => "missing",
        _ => "other",
    };
    add(name::WOULD_REFUSE, [("policy", policy.as_str()), ("reason", reason)]);
}

/// A request of an observing policy was still running at its deadline, in this stage.
pub(crate) fn would_exceed(policy: PolicyName, stage: Stage) {
    add(name::WOULD_EXCEED, [("policy", policy.as_str()), ("stage", stage.as_str())]);
}

/// A call went out that an enforcing policy would not have sent (R16).
pub(crate) fn would_withhold(policy: PolicyName) {
    add(name::WOULD_WITHHOLD, [("policy", policy.as_str())]);
}

/// A request has lost its deadline on the way through the layers.
pub(crate) fn lost() {
    add(name::LOST, []);
}

/// A limit that was set here met the deadline that was there before.
pub(crate) fn local_limit(effect: Effect) {
    add(name::LOCAL_LIMITS, [("effect", effect.as_str())]);
}

/// Somebody cancelled a scope: the first to do so, once more, or after its end.
pub(crate) fn cancelled(outcome: Cancellation) {
    let outcome = match outcome {
        Cancellation::Accepted => "accepted",
        Cancellation::Repeated => "repeated",
        Cancellation::TooLate => "too_late",
        _ => "other",
    };
    add(name::CANCELLATIONS, [("outcome", outcome)]);
}

/// Adds one.
fn add<const N: usize>(name: &'static str, labels: [(&'static str, &'static str); N]) {
    add_all(name, 1, labels);
}

#[cfg(feature = "metrics")]
fn add_all<const N: usize>(name: &'static str, times: u32, labels: [(&'static str, &'static str); N]) {
    metrics::counter!(name, &labels).increment(times.into());
}

#[cfg(not(feature = "metrics"))]
fn add_all<const N: usize>(_: &'static str, _: u32, _: [(&'static str, &'static str); N]) {}

#[cfg(all(test, feature = "metrics"))]
pub(crate) mod recorder;
#[cfg(test)]
#[cfg(feature = "metrics")]
mod tests;
