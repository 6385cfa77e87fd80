//! No SQL statement outlives its request.
//!
//! Dropping the future of a query stops nothing: the server runs the statement to its end, and the next user of the
//! connection waits for that. This crate stops the statement, in the server, when the deadline of its request has
//! passed or its caller has gone, and gives the connection back clean or not at all.
//!
//! ```no_run
//! # #[cfg(feature = "deadpool-postgres")] mod example {
//! use deadline_sql::deadpool_postgres::{Error, Pool, tokio_postgres::NoTls};
//!
//! # fn pool() -> Result<Pool, Box<dyn std::error::Error>> {
//! let pool = Pool::builder("host=localhost user=app".parse()?, NoTls).max_size(8).build()?;
//! # Ok(pool) }
//!
//! // A handler under a `DeadlineLayer` passes nothing: its deadline is ambient.
//! async fn ship(pool: &Pool, order: i64) -> Result<u64, Error> {
//!     let mut connection = pool.get().await?;
//!     let mut transaction = connection.transaction().await?;
//!     transaction.execute("UPDATE orders SET shipped = now() WHERE id = $1", &[&order]).await?;
//!     let left = transaction.query_one("SELECT count(*) FROM orders WHERE shipped IS NULL", &[]).await?;
//!     transaction.commit().await?;
//!     Ok(u64::try_from(left.get::<_, i64>(0)).unwrap_or_default())
//! }
//! # }
//! ```
//!
//! # What it covers
//!
//! Each driver is a module and a feature, and has the methods that its users know:
//!
//! | feature | |
//! |---|---|
//! | `deadpool-postgres` | tokio-postgres, pooled by deadpool: statements, transactions, streams, `COPY` |
//! | `diesel-async` | diesel-async on PostgreSQL, pooled by deadpool: every query of diesel's, transactions |
//! | `sea-orm` | entities and transactions of sea-orm, by way of sqlx |
//! | `sqlx` | an executor of sqlx on its own pool: statements, streams, transactions |
//! | `metrics` | what is counted goes to the recorder of the `metrics` facade |
//! | `throwaway` | a PostgreSQL of one's own, for tests and demonstrations |
//!
//! What happens to a statement, from its deadline to the pool (R40, R41):
//!
//! 1. With less than a millisecond left, nothing is sent. The wait for a connection ends at the deadline.
//! 2. The server is told the time that is left, in the same flight as the statement (with sqlx and sea-orm, in one before
//!    it), and stops by itself. Its word comes back in time as a rule, and then it is known that nothing is left of it.
//! 3. At the deadline the caller has its [`Error`] at once. The connection stays out of the pool and gives the server
//!    [a moment](Settings::grace). A statement whose future is dropped before its deadline gets none.
//! 4. A cancel is sent, and waited for until it can hit no later statement; then the connection is waited for. Both are
//!    repeated, because a cancel can be lost.
//! 5. An open transaction is ended at once. The connection is clean, and goes back.
//! 6. What does not come to rest is closed, and counted as `deadline_sql_unsettled_total`.
//!
//! | count | |
//! |---|---|
//! | `deadline_sql_cancelled_total{outcome}` | statements that were stopped, by `server_timer` or `cancel_request`, or that were `discarded` with their connection |
//! | `deadline_sql_unsettled_total` | connections that were closed because they did not come to rest |
//! | `deadline_sql_overrun_seconds` | from the deadline, or from the caller's leaving, to the end of the statement |
//! | `deadline_sql_pool_wait_seconds` | the wait for a connection |
//! | `deadline_sql_settling` | connections that are being brought to rest now |
//!
//! # What it does not
//!
//! It does not know HTTP, nor the layers that bring the deadline: it takes the ambient one of `http-deadline`, or one
//! that is given. It tries nothing again, except where [`tiers::Soft`] is asked to. A server stops when it looks: some work
//! (a parallel plan, a long function in C) looks seldom, and the overrun is what tells.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The examples of the page compile as those of the crate do.
#[cfg(all(doctest, feature = "deadpool-postgres"))]
#[doc = include_str!("../../../docs/postgres.md")]
mod page {}

pub mod adapter;
mod count;
#[cfg(feature = "deadpool-postgres")]
pub mod deadpool_postgres;
#[cfg(feature = "diesel-async")]
pub mod diesel_async;
mod error;
mod lease;
mod limit;
#[cfg(any(feature = "deadpool-postgres", feature = "diesel-async"))]
pub mod postgres;
mod report;
#[cfg(feature = "sea-orm")]
pub mod sea_orm;
mod settings;
#[cfg(feature = "sqlx")]
pub mod sqlx;
mod stage;
#[cfg(any(feature = "deadpool-postgres", feature = "diesel-async", feature = "sqlx"))]
mod statements;
#[cfg(all(feature = "throwaway", unix))]
pub mod throwaway;
pub mod tiers;
mod timer;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use self::count::describe_metrics;
pub use self::error::{DriverError, Error, Interrupted, Outcome, Stopped, Verdict};
pub use self::lease::{Engine, Lease, Running, Undrained};
pub use self::limit::Limit;
pub use self::settings::Settings;
