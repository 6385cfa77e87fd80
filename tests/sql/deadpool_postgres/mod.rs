//! deadpool-postgres: no statement outlives its request, and no connection suffers for it.

use std::time::Duration;

use deadline_sql::deadpool_postgres::Pool;
use deadline_sql::postgres::Tls;
use tokio_postgres::NoTls;
use tower_deadline::{Deadline, now};

use super::support::Database;
use crate::support::MS;

mod cancels;
mod race;
mod soak;
mod storm;

fn pool(database: &Database, size: usize) -> Pool {
    pool_by(database, size, NoTls)
}

/// One that dials and cancels like this.
fn pool_by(database: &Database, size: usize, tls: impl Tls) -> Pool {
    let builder = Pool::builder(database.config(), tls).max_size(size);
    builder.build().expect("a pool needs nothing more")
}

/// In so many milliseconds.
fn within(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
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
