//! The deadline of an HTTP request: its words, its arithmetic and its header dialects.
//!
//! # What it covers
//!
//! - [`Deadline`], the instant by which a request must be done, who set it ([`Origin`]), and the
//!   arithmetic that only ever moves it earlier;
//! - the header [dialects](dialect) in which a timeout travels: total decoding, truncating encoding;
//! - [`Policy`], what one hop decides: default, cap, floor, reserve, mode;
//! - [`Journey`], the record of one request: the [`Stage`] it is in, the first [`Cause`] that stopped it,
//!   what else would have, who has to be told when it ends, and who [listens](Listener) on the way;
//! - [`current`] and [`enter`], the ambient deadline of the running task.
//!
//! # What it does not
//!
//! It never asks the time: every decision is a function of a `now` that the caller hands in. It starts no
//! timer, spawns no task and knows no runtime. The layers that do are in `tower-deadline`.
//!
//! # Example
//!
//! ```
//! use http::HeaderMap;
//! use http_deadline::{Dialects, Policy};
//! use std::time::{Duration, Instant, SystemTime};
//!
//! let dialects = Dialects::default();
//! let policy = Policy::new().default_timeout(Duration::from_secs(3));
//! let (now, wall) = (Instant::now(), SystemTime::now());
//!
//! // Arrive: the strictest field of every dialect, bounded by the policy.
//! let mut headers = HeaderMap::new();
//! headers.insert("x-request-timeout", "500ms, 1s".parse()?);
//! let asked = dialects.read(&headers, wall);
//! let deadline = policy.admit(&asked, now)?.deadline().ok_or("no deadline")?;
//! assert_eq!(deadline.budget(), Duration::from_millis(500));
//!
//! // Leave, 120 ms later: what is left, written fresh.
//! let later = now + Duration::from_millis(120);
//! dialects.write(&mut headers, deadline.remaining(later), wall)?;
//! assert_eq!(headers["x-request-timeout"], "380ms");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod admit;
mod ambient;
mod call_event;
mod cause;
mod deadline;
mod exceeded;
mod journey;
mod millis;
mod name;
mod origin;
mod policy;
mod stage;
mod statuses;

pub mod dialect;

pub use self::admit::{Admitted, Refusal};
pub use self::ambient::{Ambient, Entered, Running, current, enter};
pub use self::call_event::CallEvent;
pub use self::cause::Cause;
pub use self::deadline::Deadline;
pub use self::dialect::{Dialect, Dialects};
pub use self::exceeded::Exceeded;
pub use self::journey::{Cancellation, Detail, Ended, Journey, Listener, Note, StageGuard, Under};
pub use self::millis::whole_millis;
pub use self::name::PolicyName;
pub use self::origin::{Origin, OriginKind};
pub use self::policy::{Covers, Ledger, Mode, OnInvalid, OnMissing, Outgoing, Policy};
pub use self::stage::Stage;
pub use self::statuses::Statuses;
