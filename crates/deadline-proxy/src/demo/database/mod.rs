//! The database behind `payments`, where there is one.
//!
//! Covers having a PostgreSQL (the one that `DATABASE_URL` names, or one that is gone with the demo), a statement in it
//! under the deadline of its request, and the server's own word on both: what it was told, and when it was idle again.
//! Where there is none, says why, and the demo ends at `payments`.

#[cfg(feature = "demo-database")]
mod server;
#[cfg(feature = "demo-database")]
mod statement;
#[cfg(feature = "demo-database")]
mod watcher;
#[cfg(not(feature = "demo-database"))]
mod without;

#[cfg(not(feature = "demo-database"))]
pub(super) use self::without::{Database, Statements};
#[cfg(feature = "demo-database")]
pub(super) use self::{server::Database, statement::Statements};
