//! sqlx on PostgreSQL.
//!
//! Covers a [`Pool`] around one of sqlx's, whose connections are executors: `sqlx::query(..).fetch_one(&mut *connection)`,
//! streams, the macros of sqlx, and transactions. Each statement ends with its request: see [the crate](crate). Also
//! covers what a pool of sqlx needs that is used without ours ([`recommended`]). Does not cover `LISTEN`, `COPY`,
//! migrations and advisory locks; [`Session::raw`] gets at sqlx's own connection.
//!
//! Not behind a pooler in transaction mode, as PgBouncer has it: what a session is told there reaches somebody else, and
//! the process that a cancel names works for somebody else by then.
//!
//! # What it costs
//!
//! sqlx sends nothing before the last answer has come. So the server is told the time that is left in a round trip of its
//! own, before each statement; the first on a connection that was taken out of the pool also asks for the process that a
//! cancel has to name. `begin` and `commit` tell it in the same message. What the server was told is taken back before
//! the connection goes back, in one more round trip that nobody waits for: other users of the same pool never see it. As
//! the statement starts a round trip after the time was taken, [the reserve](crate::Settings::reserve) should be longer
//! than one.
//!
//! A pool of sqlx pings a connection before it gives it out, too. Here it was clean when it came back:
//! [`recommended`] turns that off. The ping also finds what was closed while it was idle, as by a server that was started
//! anew: without it, the first statement on each such connection fails, and
//! [`is_transient`](crate::Error::is_transient). Where that is worse than a round trip, turn it on again.
//!
//! # What it works around
//!
//! Two faults of sqlx 0.9.0:
//!
//! - *The error of a statement that was dropped is given to the next one.* Somebody who was given up by a deadline of 50
//!   ms leaves its `57014` (`canceling statement`) to whoever has the connection next; and a pool that finds it there
//!   closes the connection. Here a connection is pinged until it has nothing more to say, before anybody has it.
//! - *A `begin()` that was dropped, or that was given such an error, leaves its transaction open in the pool* (its issues
//!   4385 and 4393; mended by its pull request 4394, in no release yet). Whatever is then run outside of a transaction
//!   succeeds, and is lost when the connection is closed. Here a beginning that nobody waited for is always rolled back.
//!
//! Both only hold for connections of [`Pool`], and for a pool of sqlx that has [`recommended`] options.

mod backend;
mod cancel;
mod driver;
mod error;
mod execute;
mod flow;
mod hooks;
mod pool;
mod raw;
mod session;
mod transaction;

pub use self::cancel::CancelTicket;
pub use self::error::interrupted;
#[cfg(feature = "sea-orm")]
pub(crate) use self::error::ours;
pub use self::hooks::{recommended, swallow_stale_cancels};
pub use self::pool::{Connection, Pool};
pub use self::raw::Raw;
pub use self::session::Session;
pub use self::transaction::Transaction;

/// Why a statement has no result.
///
/// The methods of sqlx itself have an error of sqlx's. Each is made of the other, and nothing is lost on the way:
/// [`interrupted`] finds in it what a deadline stopped.
pub type Error = crate::Error<sqlx::Error>;
