//! diesel-async on PostgreSQL, pooled by deadpool.
//!
//! Covers a [`Pool`] whose [`Connection`]s are used as every connection of diesel-async is: `users.load(&mut
//! connection)`, `.execute`, `.get_result`, `sql_query`, `connection.transaction(…)`. Each statement ends with its
//! request: see [the crate](crate). Does not cover `LISTEN`; a pooler in transaction mode, because diesel prepares what
//! it runs and tells its session a time zone; and functions that want an `&mut AsyncPgConnection`: let them take a
//! `&mut Connection`, or any `AsyncConnection<Backend = Pg>`.
//!
//! # Errors
//!
//! A statement fails with a `diesel::result::Error`, which has no room for a deadline. Ours is the
//! [`Error`] within its `QueryBuilderError`: [`interrupted`] and [`find`] find it there, and the layers of
//! `tower-deadline` find its `Exceeded`. Whatever else diesel says is as diesel says it.
//!
//! diesel keeps `SQLSTATE` to itself, and what is left is a message in the language of the server. A statement that the
//! server stopped at the time that it was told is known all the same: each connection has made the server say that
//! once, when it was opened, and compares. A cancel by somebody else is no deadline, in any language.
//!
//! # What of diesel-async is worked around
//!
//! Measured with diesel-async 0.9.2 on PostgreSQL 15, and read in its source:
//!
//! - A future that is dropped stops nothing: the server works on, and the next user of the connection waits for it.
//! - A transaction whose future is dropped stays open with all its locks: deadpool notices when somebody calls `get()`
//!   the next time. Here it is rolled back at once.
//! - `AsyncPgConnection::cancel_token` is tokio-postgres's, whose cancel can hit the next statement: see
//!   [`postgres`](crate::postgres).
//! - `transaction` says `Ok` where a statement in it failed and the closure went on: the server had rolled it back. Here
//!   that is [`Error::RolledBack`](crate::Error::RolledBack).
//! - `get_result` is `Ok` with the first row, before the server has said that the statement succeeded. Here the first
//!   row waits for the second, or for the end.
//! - `RunQueryDsl` is implemented for every type there is. Imported beside other traits, it takes `load` and `execute`
//!   from types that never heard of SQL (an `AtomicUsize`); so this module does not export it.

mod client;
mod connection;
mod error;
mod instrument;
mod manager;
mod pool;
mod rows;
mod transaction;

pub use self::connection::Connection;
pub use self::error::{Failure, find, interrupted};
pub use self::manager::{Manager, Pooled};
pub use self::pool::{Builder, Pool};
pub use self::rows::Rows;
pub use self::transaction::{TransactionBuilder, Transactions};

type Driver = crate::postgres::Driver<Manager>;

/// Why there is no connection, or a statement has no result.
pub type Error = crate::Error<Failure>;
