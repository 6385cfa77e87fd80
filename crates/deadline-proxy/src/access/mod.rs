//! The access log: one line for each request; and the requests that were stopped last ([`Expired`]).
//!
//! Covers what is noted of a request on its way, the line that is written once its response body has ended or is dropped,
//! and where lines go. Does not cover what never becomes a request to the proxy: connections that are refused, heads that
//! are too slow, too large or no HTTP; those are counted. A tunnel has the line of its handshake.
//!
//! Of which requests there is a line, [`What`] says: none, and then nothing is noted either, unless those that are stopped
//! are kept; each; or a share of them by chance, and each that failed always. Failed is what was answered with a status of
//! 500 or above, or by gRPC with another than 0, what was stopped for a cause, and what did not end with all that it had.
//!
//! # The fields
//!
//! The keys are the same in text and in JSON, in this order. What is not known is left out.
//!
//! | key | meaning |
//! |---|---|
//! | `time` | when it ended: RFC 3339, UTC, to the millisecond |
//! | `id` | its `X-Request-Id` |
//! | `client` | the address of who connected, or of whom a trusted balancer named in its PROXY header |
//! | `method`, `host`, `path`, `version` | of its head, as it came. Never the query, which may hold secrets |
//! | `trace` | the trace that it belongs to: that of its span, which may begin here, or else that of its `traceparent` |
//! | `route`, `policy` | what it took, and was held to |
//! | `passed` | the upstreams of a chain that were passed by, and why |
//! | `upstream`, `attempts` | who was asked last, and how often anybody was |
//! | `status` | of its answer; 499 where the client left before there was one |
//! | `grpc_status` | of a call of gRPC, from its trailers or its head |
//! | `ended` | `complete`: with all that it had; `stopped`: within the body, at its deadline or after a drain that took too long; `broken`: its source broke off; `dropped`: nobody took the rest; `unanswered`: no answer |
//! | `duration_ms` | from its head to the end of its answer |
//! | `budget_ms`, `left_ms` | what was granted when it came, and what was left of it at the end |
//! | `origin`, `origin_detail` | who set that: `header`, `policy` or `code`; and which. Where a hop behind has stopped it at a limit of its own, of what kind that was |
//! | `stage`, `cause` | where and why it was stopped, in the words of `hop`; `shutdown` where a drain took too long |
//! | `hop` | who stopped it: this proxy, or the hop behind it that says so in `Deadline-Exceeded` |
//! | `origin_hop` | whose policy or code set the limit by which it was stopped; none where a client did |
//! | `spent` | milliseconds by stage, each moment once. `queue` was before it came, as a trusted front says, and is no part of `duration_ms` |
//! | `received`, `sent` | bytes of both bodies; those that were sent were handed to the connection, not seen to arrive |
//!
//! # Where lines go
//!
//! To standard output, standard error, or the end of a file, which is made where there is none, and then readable for
//! its owner and group alone. A thread of its own
//! writes, and no worker waits for it: lines that it cannot keep up with are dropped, and counted as
//! `deadline_proxy_access_log_dropped_total`, as those are that cannot be written. A proxy that stops writes what it has.
//!
//! A file is opened anew at each reload, and written to from the next line on: who rotates it renames it, and sends SIGHUP.
//! One that is copied and truncated (`copytruncate`) loses no place, because every line goes to the end.

mod body;
mod end;
mod error;
mod expired;
mod form;
mod head;
mod layer;
mod open;
mod record;
mod routed;
mod settings;
mod spent;
#[cfg(test)]
mod tests;
mod writer;

pub use self::body::ReceivedBody;
pub use self::error::Error;
pub use self::expired::{Expired, MOST};
pub use self::layer::AccessLayer;
pub(crate) use self::open::Open;
pub use self::record::{Record, Spending};
pub(crate) use self::routed::routed;
pub use self::settings::{Format, Output, SAMPLE, Settings, What};
pub use self::writer::{AccessLog, Flush};
