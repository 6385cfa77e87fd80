//! Decisions that explain themselves, a line each.
//!
//! Covers how they are told, and those about a request as a whole: its policy and its deadline, what was stripped of it
//! and what was sent, how it was answered. Every other decision is told by whoever makes it. Nothing is decided here,
//! and while nobody listens a request costs a look at one flag for each place that tells.
//!
//! A line is an event of the target [`TARGET`], of level `debug`, and says `TOPIC: words`:
//!
//! | topic | what is told |
//! |---|---|
//! | `client` | who asks, whether that peer is trusted, on which side it stands |
//! | `route`, `rewrite` | which route it takes and why, and which path it goes on with |
//! | `policy`, `deadline` | what it is held to, what was asked for, and what counts |
//! | `chain`, `attempt` | which upstreams are called, and what each call came to |
//! | `strip`, `send` | what does not go on, and what does, field by field |
//! | `answer` | the status, and what is said with it where the answer is made here |
//!
//! No line has a secret: where a field is one of credentials by its name (`Authorization`, `Cookie`, `X-Api-Key`), or the
//! settings call it sensitive, it has `***`, and so it has for a query.
//!
//! # Where they stand
//!
//! `Told` outside of whatever decides: what is told within its span is of one request. `admission` right outside of
//! [`DeadlineLayer`](tower_deadline::DeadlineLayer), `sent` at the last moment before a request is written.

mod admission;
mod answer;
mod came;
mod lines;
mod send;
mod told;

pub(crate) use self::admission::admission;
pub(crate) use self::lines::Lines;
#[cfg(test)]
pub(crate) use self::lines::listen;
pub(crate) use self::send::{sent, unsent};
pub(crate) use self::told::Told;

/// The target of the events.
pub const TARGET: &str = "explain";

/// Whether somebody listens.
#[inline]
fn is_heard() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// Says a line.
macro_rules! tell {
    ($($words:tt)+) => {
        tracing::debug!(target: $crate::explain::TARGET, $($words)+)
    };
}

use tell;
