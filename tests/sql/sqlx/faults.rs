//! The two faults of sqlx 0.9.0 that are worked around: each is shown in a pool as people make it, and then not in ours,
//! nor in a pool of sqlx with our options.

use deadline_sql::sqlx::{Pool, recommended};
use futures_util::FutureExt;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Acquire, query, query_scalar};
use tokio::time::{sleep, timeout};

use super::{connected, naive, options, pool, table, value};
use crate::sql::support::Database;
use crate::support::MS;

/// A statement that was given up before its server stopped it: its error is there when the next one comes.
async fn leaves_an_error(connection: &mut sqlx::PgConnection) {
    query("SET statement_timeout = 60").execute(&mut *connection).await.unwrap();
    assert!(timeout(20 * MS, query("SELECT pg_sleep(5)").execute(&mut *connection)).await.is_err());
    sleep(150 * MS).await;
}

#[tokio::test]
async fn a_stale_error_is_given_to_the_next_statement_by_sqlx_and_not_by_us() {
    let database = Database::new().await;
    let theirs = naive(&database, 1);
    let mut connection = theirs.acquire().await.unwrap();
    leaves_an_error(&mut connection).await;
    let error = query("SELECT 1").execute(&mut *connection).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("57014"), "the fault is still there");

    let ours = pool(&database, 1);
    let mut connection = connected(&ours).await.unwrap();
    leaves_an_error(connection.raw().await.unwrap().connection().unwrap()).await;
    assert_eq!(query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *connection).await.unwrap(), 1);
}

#[tokio::test]
async fn a_pool_of_sqlx_keeps_a_connection_with_a_stale_error_where_it_has_our_options() {
    let database = Database::new().await;
    for (pool, kept) in [(naive(&database, 1), false), (recommended_alone(&database), true)] {
        let pid = async || query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(&pool).await.unwrap();
        let before = pid().await;
        leaves_an_error(&mut pool.acquire().await.unwrap()).await;
        assert_eq!(pid().await == before, kept);
    }
}

fn recommended_alone(database: &Database) -> PgPool {
    recommended(PgPoolOptions::new().max_connections(1)).connect_lazy_with(options(database))
}

/// A `begin` that is dropped as soon as it is sent, then a write outside of any transaction; is it there afterwards?
async fn is_kept(database: &Database, pool: &PgPool) -> bool {
    table(database).await;
    let mut connection = pool.acquire().await.unwrap();
    // Now and then the server answers within the one poll.
    while let Some(begun) = connection.begin().now_or_never() {
        begun.unwrap().rollback().await.unwrap();
    }
    drop(connection);
    let written = query("UPDATE seen SET v = 10").execute(pool).await.unwrap();
    assert_eq!(written.rows_affected(), 1, "it says that it is");
    pool.close().await;
    value(database).await == 10
}

#[tokio::test]
async fn a_dropped_begin_loses_writes_in_sqlx_and_not_with_our_options() {
    let [theirs, ours] = [Database::new().await, Database::new().await];
    assert!(!is_kept(&theirs, &naive(&theirs, 1)).await, "issues 4385 and 4393 are still there");
    assert!(is_kept(&ours, &recommended_alone(&ours)).await);
}

#[tokio::test]
async fn a_dropped_begin_of_ours_loses_nothing_wherever_it_was() {
    let database = Database::new().await;
    table(&database).await;
    // As people make it: what is left behind must not even get to sqlx.
    let pool = Pool::new(naive(&database, 1));
    for round in 0..60_u32 {
        let mut connection = if round % 2 == 0 { pool.get().await.unwrap() } else { connected(&pool).await.unwrap() };
        let _ = timeout(round * 50 * (MS / 1000), connection.begin()).await.map(|begun| begun.map(drop));
        drop(connection);
        let mut next = pool.get().await.unwrap();
        query("UPDATE seen SET v = $1")
            .bind(i32::try_from(round).unwrap())
            .execute(&mut *next)
            .await
            .unwrap();
        drop(next);
        assert_eq!(value(&database).await, i32::try_from(round).unwrap(), "round {round}");
    }
}
