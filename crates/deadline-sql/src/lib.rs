//! No SQL statement outlives its request.

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
mod timer;

pub use self::error::{DriverError, Error, Interrupted, Outcome, Stopped, Verdict};
pub use self::lease::{Engine, Lease, Running, Undrained};
pub use self::limit::Limit;
pub use self::settings::Settings;
