//! deadpool-postgres: no statement outlives its request, and no connection suffers for it.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{Error, Pool};
use deadline_sql::postgres::Tls;
use deadline_sql::{DriverError, Outcome, Settings, Stopped};
use tokio_postgres::NoTls;
use tower_deadline::{Deadline, Stage, now};

use super::support::Database;
use crate::support::MS;

mod answers;
mod cancels;
mod foreign;
mod locks;
mod lost_cancel;
mod race;
mod soak;
mod storm;
mod streams;
mod timeouts;
mod transactions;

/// The most that a sleep or a wait for a lock may go on after the end of its request.
const PROMPT: Duration = Duration::from_millis(250);
/// What no test waits for.
const FOREVER: &str = "SELECT pg_sleep(60)";

fn pool(database: &Database, size: usize) -> Pool {
    pool_by(database, size, NoTls)
}

/// One that dials and cancels like this.
fn pool_by(database: &Database, size: usize, tls: impl Tls) -> Pool {
    let builder = Pool::builder(database.config(), tls).max_size(size);
    builder.build().expect("a pool needs nothing more")
}

/// One whose server stops so much sooner than at the deadline that it is the first to do so, also where it is slow.
fn pool_that_hears_the_server(database: &Database) -> Pool {
    let builder = Pool::builder(database.config(), NoTls).max_size(1);
    builder.settings(Settings::new().reserve(500 * MS)).build().expect("a pool needs nothing more")
}

/// In so many milliseconds.
fn within(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
}

/// Where a deadline stopped it, what did, and what became of its effects.
fn said(error: &Error) -> Option<(Stage, Stopped, Outcome)> {
    let interrupted = error.interrupted()?;
    Some((interrupted.exceeded().stage(), interrupted.stopped(), interrupted.outcome()))
}

/// What the server itself says, if it is the server.
fn sqlstate(error: &Error) -> Option<&str> {
    match error {
        Error::Database(error) => error.sqlstate(),
        _ => None,
    }
}

/// Opens every connection that the pool may have.
async fn fill(pool: &Pool, size: usize) {
    let mut connections = Vec::new();
    for _ in 0..size {
        connections.push(pool.get().await.expect("the server takes connections"));
    }
}

/// Something that ends to the microsecond, where a timer would to the millisecond.
async fn spin(time: Duration) {
    let end = now() + time;
    while now() < end {
        tokio::task::yield_now().await;
    }
}
