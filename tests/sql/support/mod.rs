//! What the tests of SQL share: a server, databases on it, somebody who watches it, and what stands in front of it.
//!
//! One server serves all tests. It is started at the first use, and stopped once this process has ended, however it
//! ended: `throwaway` sees to that, so that a static may hold it. Each test has a database for itself. A test that stops
//! its server, or wants other settings, starts one of its own.

mod counts;
mod database;
mod pgbouncer;
mod relay;
mod server;
mod tests;
mod watcher;

pub(crate) use self::counts::Counts;
pub(crate) use self::database::{Database, connect};
pub(crate) use self::pgbouncer::PgBouncer;
pub(crate) use self::relay::{Newcomers, Relay};
pub(crate) use self::server::{own_server, server};
pub(crate) use self::watcher::Watcher;
