//! sqlx: no statement outlives its request, and what sqlx leaves behind in its pool hits nobody.

use std::time::Duration;

use deadline_sql::sqlx::{Connection, Error, Pool, recommended};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tower_deadline::{Deadline, now};

use super::support::Database;
use crate::support::MS;

mod bad_days;
mod faults;
mod soak;
mod statements;
mod storm;
mod transactions;

/// How soon a backend has to be idle after its statement was given up: on a quiet machine it takes milliseconds.
const REST: Duration = Duration::from_millis(250);

fn options(database: &Database) -> PgConnectOptions {
    database.url().parse().expect("a URL of ours")
}

/// A pool as people make it.
fn naive(database: &Database, size: u32) -> PgPool {
    PgPoolOptions::new().max_connections(size).connect_lazy_with(options(database))
}

fn pool(database: &Database, size: u32) -> Pool {
    let recommended = recommended(PgPoolOptions::new().max_connections(size));
    Pool::new(recommended.connect_lazy_with(options(database)))
}

/// In so many milliseconds.
fn within(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
}

/// A connection whose process is known, so that a cancel finds it.
async fn connected(pool: &Pool) -> Result<Connection, Error> {
    let mut connection = pool.get().await?;
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    Ok(connection)
}

/// One row, with the value 1.
async fn table(database: &Database) {
    let client = database.connect().await;
    client
        .batch_execute("CREATE TABLE seen (id int PRIMARY KEY, v int); INSERT INTO seen VALUES (1, 1)")
        .await
        .unwrap();
}

/// Its value, as somebody else sees it.
async fn value(database: &Database) -> i32 {
    database.connect().await.query_one("SELECT v FROM seen", &[]).await.unwrap().get(0)
}
