//! Single statements: what stops them, what is said of it, and what their connection is afterwards.

use std::time::Duration;

use deadline_sql::sqlx::interrupted;
use deadline_sql::{Outcome, Stopped};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use http_deadline::{Exceeded, Stage};
use sqlx::{AssertSqlSafe, Executor, Row, query, query_as, query_scalar, raw_sql};
use tokio::time::timeout;

use super::{REST, connected, naive, pool, within};
use crate::sql::support::{Database, Relay};
use crate::support::{MS, Stopwatch, soon};

#[tokio::test]
async fn a_deadline_stops_a_statement_and_spares_its_connection() {
    let database = Database::new().await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    drop(connected(&pool).await.unwrap());
    let start = Stopwatch::start();
    let mut connection = pool.get_before(within(300)).await.unwrap();
    let error = query("SELECT pg_sleep(5)").execute(&mut *connection).await.unwrap_err();
    // The server is told a millisecond less, in whole ones.
    start.assert_due(298 * MS);
    watcher.until_idle(REST).await;
    let interrupted = interrupted(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Database));
    assert!(
        matches!(
            (interrupted.stopped(), interrupted.outcome()),
            (Stopped::ServerTimer, Outcome::RolledBack) | (Stopped::Pending, Outcome::Unknown)
        ),
        "{interrupted:?}"
    );
    let before = watcher.pids().await;
    assert!(before.iter().any(|pid| u32::try_from(*pid).ok() == interrupted.backend()), "{interrupted:?}");
    drop(connection);
    let next = query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *pool.get().await.unwrap()).await;
    assert_eq!(next.unwrap(), 1);
    assert_eq!(pool.inner().size(), 1);
    assert!(watcher.pids().await.is_superset(&before), "its process is the same");
}

#[tokio::test]
async fn a_statement_that_is_dropped_is_stopped_and_the_next_one_runs() {
    let database = Database::new().await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let mut connection = connected(&pool).await.unwrap();
    let pid = connection.backend();
    let dropped = timeout(50 * MS, query("SELECT pg_sleep(5)").execute(&mut *connection)).await;
    assert!(dropped.is_err());
    let start = Stopwatch::start();
    let (next,): (i32,) = query_as("SELECT 2").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(next, 2);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(connection.backend(), pid);
    let _ = timeout(50 * MS, query("SELECT pg_sleep(5)").execute(&mut *connection)).await;
    drop(connection);
    watcher.until_idle(REST).await;
    assert_eq!(connected(&pool).await.unwrap().backend(), pid);
}

#[tokio::test]
async fn nothing_is_sent_with_nothing_left_and_a_wait_for_a_connection_ends() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    drop(connected(&pool).await.unwrap());
    let mut connection = pool.get_before(within(200)).await.unwrap();
    tokio::time::sleep(201 * MS).await;
    let error = query("SELECT 1").execute(&mut *connection).await.unwrap_err();
    assert_eq!(
        interrupted(&error).map(|error| (error.stopped(), error.outcome(), error.exceeded().stage())),
        Some((Stopped::NotSent, Outcome::NotStarted, Stage::Unsent))
    );
    let start = Stopwatch::start();
    let error = pool.get_before(within(50)).await.unwrap_err();
    start.assert_due(50 * MS);
    assert_eq!(error.interrupted().map(|error| error.exceeded().stage()), Some(Stage::Pool));
}

#[tokio::test]
async fn the_ambient_deadline_holds_where_none_is_given() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let told = tower_deadline::scope(within(9_000), async {
        let mut connection = pool.get().await.unwrap();
        query_scalar::<_, String>("SHOW statement_timeout").fetch_one(&mut *connection).await.unwrap()
    });
    let told = soon("an answer", told).await.unwrap();
    let millis: u32 = told.strip_suffix("ms").and_then(|millis| millis.parse().ok()).unwrap_or_default();
    assert!((1..9_000).contains(&millis), "{told}");
}

#[tokio::test]
async fn a_cancel_of_somebody_else_is_no_deadline() {
    let database = Database::new().await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let mut connection = pool.get_before(within(10_000)).await.unwrap();
    query("SELECT 1").execute(&mut *connection).await.unwrap();
    let pid = i32::try_from(connection.backend().unwrap()).unwrap();
    let cancelling = async {
        watcher.until_active(1).await;
        watcher.client.execute("SELECT pg_cancel_backend($1)", &[&pid]).await.unwrap();
    };
    let (error, ()) = tokio::join!(query("SELECT pg_sleep(9)").execute(&mut *connection), cancelling);
    let error = error.unwrap_err();
    assert!(interrupted(&error).is_none());
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("57014"));
    assert_eq!(query_scalar::<_, i32>("SELECT 3").fetch_one(&mut *connection).await.unwrap(), 3);
}

#[tokio::test]
async fn a_stream_ends_at_the_deadline_and_a_dropped_one_is_stopped() {
    const ROWS: &str = "SELECT i, pg_sleep(CASE WHEN i > 3 THEN 5 ELSE 0 END) FROM generate_series(1, 9) i";
    let database = Database::new().await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let mut connection = pool.get_before(within(1_000)).await.unwrap();
    let all: Vec<i32> = query_scalar::<_, i32>("SELECT generate_series(1, 5000)")
        .fetch(&mut *connection)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all.len(), 5000);
    let mut rows = query(ROWS).fetch(&mut *connection);
    let start = Stopwatch::start();
    let mut error = None;
    while let Some(row) = rows.next().await {
        error = row.err();
    }
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(error.as_ref().and_then(interrupted).is_some(), "{error:?}");
    drop(rows);
    drop(connection);
    let mut connection = connected(&pool).await.unwrap();
    let mut many = query("SELECT generate_series(1, 100000000)").fetch(&mut *connection);
    assert_eq!(many.next().await.unwrap().unwrap().get::<i32, _>(0), 1);
    drop(many);
    watcher.until_idle(REST).await;
    assert_eq!(query_scalar::<_, i32>("SELECT 4").fetch_one(&mut *connection).await.unwrap(), 4);
}

#[tokio::test]
async fn what_the_session_was_told_is_seen_by_nobody_else_and_its_own_limit_stays() {
    let database = Database::new().await;
    let show = "SHOW statement_timeout";
    for (own, told) in [("0", "9999ms"), ("5s", "5s"), ("1min", "9999ms")] {
        let alter = format!("ALTER DATABASE {} SET statement_timeout = '{own}'", database.name);
        database.connect().await.batch_execute(&alter).await.unwrap();
        let pool = pool(&database, 1);
        for _ in 0..2 {
            let mut connection = pool.get_before(within(10_000)).await.unwrap();
            let shown: String = query_scalar(show).fetch_one(&mut *connection).await.unwrap();
            let millis = |shown: &str| shown.strip_suffix("ms").and_then(|millis| millis.parse::<u32>().ok());
            match millis(told) {
                Some(most) => assert!((5_000..=most).contains(&millis(&shown).unwrap_or_default()), "{own}: {shown}"),
                None => assert_eq!(shown, told),
            }
            drop(connection);
            // Without a deadline, by us and by sqlx.
            let shown: String = query_scalar(show).fetch_one(&mut *pool.get().await.unwrap()).await.unwrap();
            assert_eq!(shown, own);
            let shown: String = query_scalar(show).fetch_one(pool.inner()).await.unwrap();
            assert_eq!(shown, own);
        }
    }
}

#[tokio::test]
async fn a_limit_of_a_millisecond_is_lifted_though_it_can_stop_what_lifts_it() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    for millis in (2..5).cycle().take(240) {
        drop(connected(&pool).await.unwrap());
        if let Ok(mut connection) = pool.get_before(within(millis)).await {
            let _ = query("SELECT 1").execute(&mut *connection).await;
        }
        let shown: String = query_scalar("SHOW statement_timeout").fetch_one(pool.inner()).await.unwrap();
        assert_eq!(shown, "0");
    }
}

#[tokio::test]
async fn the_server_is_told_in_a_round_trip_of_its_own() {
    let database = Database::new().await;
    let relay = Relay::to(database.address).await;
    let pool = pool(&database.by_way_of(relay.address), 1);
    let mut connection = pool.get_before(within(9_000)).await.unwrap();
    let flights = async |connection: &mut deadline_sql::sqlx::Session| {
        let before = relay.flights();
        query("SELECT 1").execute(connection).await.unwrap();
        relay.flights() - before
    };
    // The first one prepares.
    assert_eq!(flights(&mut connection).await, 3);
    assert_eq!(flights(&mut connection).await, 2);
    let before = relay.flights();
    let mut transaction = connection.begin().await.unwrap();
    let begun = relay.flights();
    assert_eq!(flights(&mut transaction).await, 2);
    let worked = relay.flights();
    transaction.commit().await.unwrap();
    assert_eq!((begun - before, relay.flights() - worked), (1, 1), "to begin, to commit");
    drop(connection);
    assert_eq!(relay.accepted(), 1, "nobody had to be cancelled");
}

#[tokio::test]
async fn a_lease_that_ends_outside_of_a_runtime_is_given_back() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let connection = connected(&pool).await.unwrap();
    let (pid, idle) = (connection.backend(), connected(&pool).now_or_never());
    assert!(idle.is_none());
    std::thread::spawn(move || drop(connection)).join().unwrap();
    assert_eq!(soon("the connection", connected(&pool)).await.unwrap().backend(), pid);
}

#[tokio::test]
async fn a_drain_waits_for_what_is_out_and_closes_the_pool() {
    let database = Database::new().await;
    let (pool, watcher) = (pool(&database, 2), database.watcher().await);
    let mut connection = connected(&pool).await.unwrap();
    assert_eq!(pool.drain(20 * MS).await.unwrap_err().connections, 1);
    let _ = timeout(20 * MS, query("SELECT pg_sleep(9)").execute(&mut *connection)).await;
    drop(connection);
    pool.drain(Duration::from_secs(10)).await.unwrap();
    assert!(pool.get().await.is_err() && pool.inner().is_closed());
    assert_eq!(watcher.active().await, 0);
}

#[tokio::test]
async fn every_way_to_run_a_statement_is_there() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(9_000)).await.unwrap();
    raw_sql("CREATE TABLE a (id int); INSERT INTO a VALUES (1), (2)")
        .execute(&mut *connection)
        .await
        .unwrap();
    let affected = query("UPDATE a SET id = id + $1").bind(1).execute(&mut *connection).await.unwrap();
    assert_eq!(affected.rows_affected(), 2);
    let all = query("SELECT id FROM a ORDER BY id").fetch_all(&mut *connection).await.unwrap();
    assert_eq!(all.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [2, 3]);
    assert!(query("SELECT 1 WHERE false").fetch_optional(&mut *connection).await.unwrap().is_none());
    let error = query("SELECT 1 WHERE false").fetch_one(&mut *connection).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::RowNotFound));
    let statement = connection.prepare(sqlx::SqlSafeStr::into_sql_str("SELECT $1::int8")).await.unwrap();
    let prepared = sqlx::Statement::query(&statement).bind(5_i64).fetch_one(&mut *connection).await.unwrap();
    assert_eq!(prepared.get::<i64, _>(0), 5);
    let error = connection.execute(AssertSqlSafe("SELEC".to_owned())).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42601"));
    let mut raw = connection.raw().await.unwrap();
    raw.connection().unwrap().execute("BEGIN; UPDATE a SET id = 9").await.unwrap();
    drop(raw);
    let left: i64 = query_scalar("SELECT count(*) FROM a WHERE id = 9").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(left, 0, "what was left open is rolled back");
}

/// A pool of sqlx is what it was: the test of the others.
#[tokio::test]
async fn without_us_a_statement_outlives_its_caller() {
    let database = Database::new().await;
    let (naive, watcher) = (naive(&database, 1), database.watcher().await);
    assert!(timeout(200 * MS, query("SELECT pg_sleep(1.5)").execute(&naive)).await.is_err());
    tokio::time::sleep(REST).await;
    assert_eq!(watcher.active().await, 1);
}
