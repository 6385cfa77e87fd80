//! Attempts: which upstreams are called for one request, how often, and when no more (R22, R23, R38).
//!
//! # What follows an attempt
//!
//! - *another upstream*, at once, where the chain names what the attempt came to: fail over before retry;
//! - *the same again, at once*, where a connection that had been kept broke before any answer;
//! - *the same again, after a back-off*, where that may help and retries are left: no connection, a connection that
//!   broke, the limit of the attempt, 502, 503, 504, and 429 where it says when. Whoever says `Retry-After` is left alone
//!   for so long at least; a date, or more than 30 s, is as good as never;
//! - *the answer*, in every other case, and where the chain ends with `off` an error.
//!
//! # What keeps an attempt from being made
//!
//! - *it could be done twice*: what may have been sent is sent again only by an idempotent method (RFC 9110 §9.2.2),
//!   whatever the chain says. Nothing was sent where no connection was had, and where an upstream says so itself;
//! - *its body is gone*: no more of it is kept than the settings say, and a body that breaks off ends the attempts;
//! - *no time is left*, or not enough for the back-off: what there is is the answer (R22);
//! - *the budget of retries* of an upstream is spent; passing on is bounded by the length of the chain.
//!
//! A deadline of the request that has passed, here or at a hop which says so, ends the attempts (R23): it goes upward as
//! it is. What is left is written anew for each attempt, by the [`PropagateLayer`](tower_deadline::PropagateLayer) around
//! each upstream. Does not choose an endpoint of an upstream, and does not count
//! what a [`Pool`](crate::upstream::Pool) tries by itself before anything is sent.

mod burden;
mod came;
mod course;
mod discard;
mod error;
mod lent;
mod limit;
mod minute;
mod next;
mod plan;
mod replay;
mod service;
mod settings;
mod story;
#[cfg(test)]
mod tests;

pub(crate) use self::burden::Burden;
pub use self::error::PlanError;
pub(crate) use self::error::{Unanswered, told};
pub(crate) use self::limit::{Late, Limit, TryLimit};
pub(crate) use self::minute::MEASURED_EVERY;
pub(crate) use self::plan::{Plan, Step};
pub(crate) use self::service::Attempts;
pub(crate) use self::settings::TRY_LIMIT;
pub use self::settings::{Budget, End, Link, Outcome, Settings};
pub use self::story::Story;
