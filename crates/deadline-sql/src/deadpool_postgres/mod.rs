//! tokio-postgres, pooled by deadpool.
//!
//! Covers a [`Pool`] whose connections have the methods that users of tokio-postgres know, transactions, streams and
//! `COPY` included. Each statement ends with its request: see [the crate](crate). Does not cover portals
//! (`Transaction::bind`) and notifications; [`Session::raw`] gets at the client itself.

mod build_error;
mod copy;
mod flight;
mod manager;
mod pool;
mod prepared;
mod raw;
mod rows;
mod session;
mod transaction;

pub use crate::postgres::{Pooler, PoolerVersion};
pub use deadpool_postgres::{ManagerConfig, RecyclingMethod, tokio_postgres};

pub use self::build_error::BuildError;
pub use self::copy::{CopyIn, CopyOut};
pub use self::manager::{Manager, Pooled};
pub use self::pool::{Builder, Connection, Pool};
pub use self::raw::Raw;
pub use self::rows::Rows;
pub use self::session::Session;
pub use self::transaction::{Transaction, TransactionBuilder};

type Driver = crate::postgres::Driver<Manager>;

/// Why a statement has no result.
pub type Error = crate::Error<tokio_postgres::Error>;

#[cfg(test)]
mod tests;
