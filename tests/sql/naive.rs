//! What the libraries do by themselves where the future of a query is dropped: nothing. `docs/postgres.md` says so; where
//! one of them learns better, it is told here.

use std::time::Duration;

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool as DieselPool;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use sea_orm::{ConnectOptions, ConnectionTrait};
use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use super::support::{Database, Watcher};
use crate::support::{MS, Stopwatch, soon};

/// How long the statement takes that nobody waits for.
const SLEEP: &str = "SELECT pg_sleep(1)";
const TAKES: Duration = Duration::from_secs(1);
const DROPPED: Duration = Duration::from_millis(100);
const NEXT: &str = "SELECT 1";

/// Drops the first after a moment, and lets the next user have the connection: who waits for all the rest of it.
async fn next_user_waits(watcher: &Watcher, first: impl Future, next: impl Future) {
    let start = Stopwatch::start();
    assert!(timeout(DROPPED, first).await.is_err(), "it takes longer");
    // Whatever the library does now, it has time for it.
    sleep(100 * MS).await;
    assert_eq!(watcher.active().await, 1, "it runs on");
    soon("the next user", next).await;
    assert!(start.elapsed() >= TAKES, "{:?}", start.elapsed());
}

#[tokio::test]
async fn deadpool_postgres_runs_on_and_the_next_user_waits() {
    let database = Database::new().await;
    let manager = deadpool_postgres::Manager::from_config(database.config(), NoTls, Default::default());
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let first = async { pool.get().await.unwrap().batch_execute(SLEEP).await };
    let next = async { pool.get().await.unwrap().batch_execute(NEXT).await.unwrap() };
    next_user_waits(&database.watcher().await, first, next).await;
}

#[tokio::test]
async fn diesel_async_runs_on_and_the_next_user_waits() {
    let database = Database::new().await;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(database.url());
    let pool = DieselPool::builder(manager).max_size(1).build().unwrap();
    let first = async { pool.get().await.unwrap().batch_execute(SLEEP).await };
    let next = async { pool.get().await.unwrap().batch_execute(NEXT).await.unwrap() };
    next_user_waits(&database.watcher().await, first, next).await;
}

#[tokio::test]
async fn sqlx_runs_on_and_the_next_user_waits() {
    let database = Database::new().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let first = async { sqlx::raw_sql(SLEEP).execute(&pool).await };
    let next = async { pool.acquire().await.unwrap().ping().await.unwrap() };
    next_user_waits(&database.watcher().await, first, next).await;
}

#[tokio::test]
async fn sea_orm_runs_on_and_the_next_user_waits() {
    let database = Database::new().await;
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    let first = async { connection.execute_unprepared(SLEEP).await };
    let next = async { connection.execute_unprepared(NEXT).await.unwrap() };
    next_user_waits(&database.watcher().await, first, next).await;
}
