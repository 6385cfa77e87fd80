//! What the drivers on tokio-postgres share.
//!
//! Covers dialling in a way that remembers the address, and a cancel that cannot hit a later statement. Does not pool
//! and does not run statements.
//!
//! `tokio_postgres::CancelToken::cancel_query` is not used: it returns before the server has acted, and its cancel then
//! hits whatever runs next. Measured with tokio-postgres 0.7.18 and PostgreSQL 15: 29 of 100 cancels that were sent near
//! the end of a statement killed the one after it. It also ends PgBouncer 1.18 with a fatal error
//! (pgbouncer issue 801), because it closes its side first.

mod address;
mod backend;
mod cancel;
mod dial;
mod driver;
mod error;
pub(crate) mod flight;
pub(crate) mod manner;
mod pooler;
pub(crate) mod shape;
mod single;
mod stream;
mod tls;

pub use self::address::Address;
pub(crate) use self::backend::Backend;
pub use self::cancel::CancelTicket;
pub(crate) use self::dial::{Dialled, dial};
pub(crate) use self::driver::{Driver, Link};
pub use self::pooler::{NoVersion, Pooler, PoolerVersion};
pub use self::stream::CancelStream;
pub use self::tls::Tls;
