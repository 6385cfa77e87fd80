//! What a driver has to do, so that its statements end with their request.
//!
//! Covers the trait between the engine of this crate and a driver. The engine decides when a statement is stopped, and
//! what happens to its connection then; an adapter knows how. The arming of the server's own timer is no part of it:
//! an adapter's methods are given the [`Limit`](crate::Limit), and attach it as their database allows.
//!
//! | | [`Ticket`] | [`Limit`](crate::Limit) | [`drain`](Adapter::drain) |
//! |---|---|---|---|
//! | PostgreSQL, tokio-postgres | CancelRequest, waited for to the end of its connection | `SET statement_timeout`, in one flight with the statement | `Sync` |
//! | PostgreSQL, sqlx | `pg_cancel_backend` on a connection beside | the same, a round trip before | a ping; a cancel that came late is swallowed |
//! | MySQL | `KILL QUERY` on a connection beside, acknowledged; a `SELECT` that it stopped may say 3024 or 1317 | `MAX_EXECUTION_TIME(n)` in a top-level `SELECT`; nothing elsewhere, so [`waits_for_server`](Adapter::waits_for_server) is false | a ping |
//! | MariaDB | `KILL QUERY ID`, which names the statement and can hit no other | `SET STATEMENT max_statement_time=n FOR` in front of it | a ping |
//! | Redis | none | the timeout argument of a blocking command | nothing, if multiplexed; else not [`Clean`](Drained::Clean): a blocking command holds the connection |

use crate::DriverError;

/// A driver, and its pool.
///
/// ```
/// # use std::convert::Infallible; use std::fmt; use deadline_sql::{DriverError, Verdict};
/// # #[derive(Debug)] pub struct Refused; impl std::error::Error for Refused {}
/// # impl fmt::Display for Refused { fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result { Ok(()) } }
/// # impl DriverError for Refused { fn verdict(&self) -> Verdict { Verdict::Other } fn sqlstate(&self) -> Option<&str> { None } }
/// use deadline_sql::adapter::{AcquireError, Adapter, Delivery, Drained, Open, Ticket};
///
/// /// A cache behind one multiplexed connection: a command cannot be stopped, and blocks nobody.
/// struct Cache;
/// struct Multiplexed;
/// struct Nothing;
///
/// impl Ticket for Nothing {
///     async fn cancel(&self) -> Delivery {
///         Delivery::NotSent
///     }
/// }
///
/// impl Adapter for Cache {
///     type Connection = Multiplexed;
///     type Error = Refused;
///     type Ticket = Nothing;
///
///     async fn acquire(&self) -> Result<Multiplexed, AcquireError<Refused>> {
///         Ok(Multiplexed)
///     }
///     fn ticket(&self, _: &Multiplexed) -> Option<Nothing> {
///         None
///     }
///     async fn drain(&self, _: &mut Multiplexed) -> Drained {
///         Drained::Clean
///     }
///     async fn roll_back(&self, _: &mut Multiplexed, _: &Open) -> Drained {
///         Drained::Clean
///     }
///     fn release(&self, _: Multiplexed) {}
///     fn discard(&self, _: Multiplexed) {}
/// }
/// ```
pub trait Adapter: Send + Sync + 'static {
    /// A connection that was taken out of the pool and is owned.
    type Connection: Send + 'static;
    /// What the driver says when something goes wrong.
    type Error: DriverError;
    /// What a running statement is stopped by.
    type Ticket: Ticket;

    /// Takes a connection out of the pool. It may be dropped while it waits, and no connection is lost then. What
    /// dials within it says so by [`connecting`].
    fn acquire(&self) -> impl Future<Output = Result<Self::Connection, AcquireError<Self::Error>>> + Send;

    /// What stops that which this connection runs; `None` where nothing can.
    fn ticket(&self, connection: &Self::Connection) -> Option<Self::Ticket>;

    /// The server's process or number of this connection, for the log.
    fn backend(&self, connection: &Self::Connection) -> Option<u32> {
        let _ = connection;
        None
    }

    /// Whether a server that was told a [`Limit`](crate::Limit) stops the statement by itself, so that it is given a
    /// moment to say so before a cancel is sent.
    fn waits_for_server(&self) -> bool {
        true
    }

    /// Waits until everything that was sent has been answered. A statement of somebody who did not wait for its answer
    /// may still be running.
    fn drain(&self, connection: &mut Self::Connection) -> impl Future<Output = Drained> + Send;

    /// Ends what is open. Nothing else runs on the connection.
    fn roll_back(&self, connection: &mut Self::Connection, open: &Open) -> impl Future<Output = Drained> + Send;

    /// Gives a clean connection back to the pool. To drop one does the same.
    fn release(&self, connection: Self::Connection);

    /// Closes a connection, and makes room for another in the pool.
    fn discard(&self, connection: Self::Connection);
}

/// What a running statement is stopped by. Made when it is needed, which is seldom.
pub trait Ticket: Send + Sync + 'static {
    /// Tells the server to stop what the connection runs. The engine does not use the connection meanwhile, and bounds
    /// the wait.
    fn cancel(&self) -> impl Future<Output = Delivery> + Send;
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server has acted on it: it can hit no later statement.
    Acted,
    /// It did not leave, and can hit nothing.
    NotSent,
    /// It may come at any time, and hit whatever runs then: the connection cannot be used any more.
    Unknown,
}

/// What a connection is after it was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Idle, and ready for the next statement.
    Clean,
    /// Not to be used any more.
    Broken,
}

/// What is open on a connection, and has to be ended before somebody else has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// A transaction.
    Transaction,
    /// A savepoint of this number within a transaction that goes on.
    Savepoint(usize),
}

/// Why there is no connection.
#[derive(Debug)]
pub enum AcquireError<E> {
    /// None could be opened.
    Connect(E),
    /// The pool is closed.
    Closed,
}

pub use crate::stage::connecting;
