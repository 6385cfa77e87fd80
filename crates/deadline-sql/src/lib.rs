//! No SQL statement outlives its request.
//!
//! Dropping the future of a query stops nothing: the server runs the statement to its end, and the next user of the
//! connection waits for that. This crate stops it, in the server, when the deadline of its request has passed or its
//! caller has gone, and gives its connection back clean or not at all.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adapter;
mod count;
#[cfg(feature = "deadpool-postgres")]
pub mod deadpool_postgres;
mod error;
mod lease;
mod limit;
#[cfg(feature = "postgres")]
pub mod postgres;
mod report;
mod settings;
mod stage;
#[cfg(all(feature = "throwaway", unix))]
pub mod throwaway;
pub mod tiers;
mod timer;

pub use self::error::{DriverError, Error, Interrupted, Outcome, Stopped, Verdict};
pub use self::lease::{Engine, Lease, Running, Undrained};
pub use self::limit::Limit;
pub use self::settings::Settings;
