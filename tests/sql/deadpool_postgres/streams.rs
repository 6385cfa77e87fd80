//! Answers that come bit by bit, and `COPY`.

use bytes::Bytes;
use deadline_sql::deadpool_postgres::{Connection, CopyIn, Pool};
use deadline_sql::{Outcome, Stopped};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio::time::sleep;
use tokio_postgres::types::ToSql;
use tower_deadline::{Stage, now};

use super::super::support::{Database, Relay, Watcher};
use super::{PROMPT, fill, pool, said, within};
use crate::support::{MS, SLACK, soon};

/// Rows that never end, each with more than a socket takes in a hundred of them.
const ENDLESS: &str = "SELECT repeat('x', 100000) FROM generate_series(1, 1000000)";
const COPY_ENDLESS: &str = "COPY (SELECT repeat('x', 100000) FROM generate_series(1, 1000000)) TO STDOUT";
const NOTHING: [&(dyn ToSql + Sync); 0] = [];

async fn scene() -> (Database, Watcher, Pool) {
    let database = Database::new().await;
    database.connect().await.batch_execute("CREATE TABLE t (v int)").await.unwrap();
    (database.clone(), database.watcher().await, pool(&database, 1))
}

/// Fails unless the pool's connection still is the one that it was, and does its work.
async fn assert_the_same(pool: &Pool, backend: Option<u32>) {
    let mut connection = soon("the connection", pool.get()).await.unwrap();
    assert_eq!(connection.query_one("SELECT 7", &[]).await.unwrap().get::<_, i32>(0), 7);
    assert_eq!(connection.backend(), backend);
}

async fn rows_of_t(connection: &mut Connection) -> i64 {
    connection.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn rows_come_one_by_one_and_to_the_end() {
    let (.., pool) = scene().await;
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let backend = connection.backend();
    let rows = connection.query_raw("SELECT generate_series(1, 2000)", NOTHING).await.unwrap();
    let values: Vec<i32> = rows.map_ok(|row| row.get::<_, i32>(0)).try_collect().await.unwrap();
    assert_eq!(values, (1..=2_000).collect::<Vec<_>>());
    // Not read to the end, but nothing is left of it either.
    let mut rows = connection.query_raw("SELECT 1", NOTHING).await.unwrap();
    rows.next().await.unwrap().unwrap();
    drop(rows);
    drop(connection);
    assert_the_same(&pool, backend).await;
}

#[tokio::test]
async fn the_deadline_holds_for_all_rows_and_is_told_once() {
    let (_database, watcher, pool) = scene().await;
    let deadline = within(1_000);
    let mut connection = pool.get_before(deadline).await.unwrap();
    // Each of them is sent at once, because it is too large to wait for others.
    let slow = "SELECT repeat('x', 100000), pg_sleep(0.1) FROM generate_series(1, 1000)";
    let mut rows = connection.query_raw(slow, NOTHING).await.unwrap();
    let error = loop {
        match rows.next().await.expect("an error comes first") {
            Ok(_) => assert!(now() < deadline.instant() + SLACK),
            Err(error) => break error,
        }
    };
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    assert!(rows.next().await.is_none());
    let late = now().saturating_duration_since(deadline.instant());
    watcher.until_idle(PROMPT.saturating_sub(late)).await;
}

#[tokio::test]
async fn rows_that_are_dropped_are_not_produced_any_more() {
    let (_database, watcher, pool) = scene().await;
    for read in [0, 1, 200] {
        let mut connection = pool.get().await.unwrap();
        let backend = connection.backend();
        let mut rows = connection.query_raw(ENDLESS, NOTHING).await.unwrap();
        for _ in 0..read {
            rows.next().await.unwrap().unwrap();
        }
        watcher.until_active(1).await;
        drop(rows);
        assert_eq!(connection.query_one("SELECT 7", &[]).await.unwrap().get::<_, i32>(0), 7);
        drop(connection);
        watcher.until_idle(PROMPT).await;
        assert_the_same(&pool, backend).await;
    }
}

/// The server has no room for what it has to say, not even for an error.
#[tokio::test]
async fn rows_that_nobody_reads_are_not_produced_after_the_deadline() {
    let (_database, watcher, pool) = scene().await;
    let deadline = within(500);
    let mut connection = pool.get_before(deadline).await.unwrap();
    let backend = connection.backend();
    let mut rows = connection.query_raw(ENDLESS, NOTHING).await.unwrap();
    rows.next().await.unwrap().unwrap();
    sleep(deadline.remaining(now()) + 300 * MS).await;
    // Whoever reads on finds what was there, and then the error, and holds on to what is left.
    let error = loop {
        if let Err(error) = soon("the error", rows.next()).await.expect("an error comes first") {
            break error;
        }
    };
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    watcher.until_idle(PROMPT).await;
    drop(rows);
    drop(connection);
    assert_the_same(&pool, backend).await;
}

/// The driver reads nothing more of a connection, as long as somebody could still read what it has.
#[tokio::test]
async fn an_answer_that_is_held_after_its_deadline_holds_up_nobody() {
    let (database, watcher, _) = scene().await;
    let relay = Relay::to(database.address).await;
    let pool = pool(&database.by_way_of(relay.address), 1);
    for copied in [false, true] {
        fill(&pool, 1).await;
        let mut connection = pool.get_before(within(1_000)).await.unwrap();
        let backend = connection.backend();
        let mut errors = if copied {
            let bytes = connection.copy_out(COPY_ENDLESS).await.unwrap();
            bytes.filter_map(async |bytes| bytes.err()).boxed_local()
        } else {
            let rows = connection.query_raw(ENDLESS, NOTHING).await.unwrap();
            rows.filter_map(async |row| row.err()).boxed_local()
        };
        relay.freeze(true);
        let error = soon("the error", errors.next()).await.expect("an error comes first");
        assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
        relay.freeze(false);
        watcher.until_idle(SLACK).await;
        // Longer than a connection has to come to rest before it is closed.
        sleep(2_000 * MS).await;
        drop(errors);
        drop(connection);
        assert_the_same(&pool, backend).await;
    }
}

#[tokio::test]
async fn a_copy_to_us_that_is_dropped_or_late_is_stopped() {
    let (_database, watcher, pool) = scene().await;
    for late in [false, true] {
        let deadline = within(if late { 500 } else { 60_000 });
        let mut connection = pool.get_before(deadline).await.unwrap();
        let backend = connection.backend();
        let mut bytes = connection.copy_out(COPY_ENDLESS).await.unwrap();
        assert!(bytes.next().await.unwrap().unwrap().starts_with(b"xxx"));
        watcher.until_active(1).await;
        if late {
            let read = async { while let Some(Ok(_)) = bytes.next().await {} };
            soon("the end", read).await;
            assert!(bytes.next().await.is_none());
        }
        drop(bytes);
        drop(connection);
        watcher.until_idle(PROMPT).await;
        assert_the_same(&pool, backend).await;
    }
}

#[tokio::test]
async fn a_copy_to_the_server_is_kept_where_it_is_finished() {
    let (.., pool) = scene().await;
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let mut copy: CopyIn<'_, Bytes> = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    for _ in 0..3 {
        copy.send(Bytes::from_static(b"1\n2\n")).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap(), 6);
    let mut copy: CopyIn<'_, Bytes> = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(Bytes::from_static(b"3\n")).await.unwrap();
    copy.close().await.unwrap();
    drop(copy);
    assert_eq!(rows_of_t(&mut connection).await, 7);
}

#[tokio::test]
async fn a_copy_to_the_server_that_is_dropped_leaves_nothing() {
    let (_database, watcher, pool) = scene().await;
    let mut connection = pool.get().await.unwrap();
    let backend = connection.backend();
    let mut copy: CopyIn<'_, Bytes> = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(Bytes::from_static(b"1\n")).await.unwrap();
    watcher.until_active(1).await;
    drop(copy);
    assert_eq!(rows_of_t(&mut connection).await, 0);
    drop(connection);
    watcher.until_idle(PROMPT).await;
    assert_the_same(&pool, backend).await;
}

/// A server that waits for rows hears of no cancel: somebody has to tell it that there are none.
#[tokio::test]
async fn a_copy_to_the_server_that_is_late_leaves_nothing() {
    let (_database, watcher, pool) = scene().await;
    for finished in [false, true] {
        let deadline = within(500);
        let mut connection = pool.get_before(deadline).await.unwrap();
        let backend = connection.backend();
        let mut copy: CopyIn<'_, Bytes> = connection.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.send(Bytes::from_static(b"1\n")).await.unwrap();
        sleep(deadline.remaining(now()) + 50 * MS).await;
        let error = if finished {
            copy.finish().await.unwrap_err()
        } else {
            let feed = async {
                loop {
                    if let Err(error) = copy.send(Bytes::from_static(b"1\n")).await {
                        break error;
                    }
                    sleep(MS).await;
                }
            };
            let error = soon("the end", feed).await;
            // Held, and not even asked again.
            watcher.until_idle(PROMPT).await;
            assert!(copy.send(Bytes::from_static(b"1\n")).await.is_err());
            drop(copy);
            error
        };
        assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
        drop(connection);
        watcher.until_idle(PROMPT).await;
        assert_the_same(&pool, backend).await;
        assert_eq!(rows_of_t(&mut pool.get().await.unwrap()).await, 0);
    }
}

/// The server takes nothing more, because it waits for a lock.
#[tokio::test]
async fn a_copy_to_the_server_that_stands_still_ends_at_the_deadline() {
    let (database, watcher, pool) = scene().await;
    let other = database.connect().await;
    other.batch_execute("CREATE UNIQUE INDEX ON t (v)").await.unwrap();
    other.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let deadline = within(1_000);
    let mut connection = pool.get_before(deadline).await.unwrap();
    let backend = connection.backend();
    let mut copy: CopyIn<'_, Bytes> = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    let feed = async {
        let rows = Bytes::from_static(b"1\n").repeat(1_000);
        loop {
            if let Err(error) = copy.send(Bytes::from(rows.clone())).await {
                break error;
            }
        }
    };
    let error = soon("the end", feed).await;
    assert!(matches!(said(&error), Some((Stage::Database, _, Outcome::Unknown | Outcome::RolledBack))), "{error:?}");
    drop(copy);
    let late = now().saturating_duration_since(deadline.instant());
    assert!(late < SLACK, "{late:?}");
    drop(connection);
    other.batch_execute("ROLLBACK").await.unwrap();
    watcher.until_idle(PROMPT).await;
    assert_the_same(&pool, backend).await;
}

#[tokio::test]
async fn a_stream_that_says_nothing_ends_at_the_deadline() {
    let (_database, watcher, pool) = scene().await;
    let deadline = within(500);
    let mut connection = pool.get_before(deadline).await.unwrap();
    // As many as the server sends at once, and then a long time nothing.
    let few = "SELECT CASE i WHEN 2000 THEN pg_sleep(60)::text END FROM generate_series(1, 2000) AS i";
    let mut rows = connection.query_raw(few, NOTHING).await.unwrap();
    let error = loop {
        if let Err(error) = soon("the error", rows.next()).await.expect("an error comes first") {
            break error;
        }
    };
    let (stage, stopped, _) = said(&error).unwrap();
    assert!(stage == Stage::Database && matches!(stopped, Stopped::ServerTimer | Stopped::Pending), "{error:?}");
    let late = now().saturating_duration_since(deadline.instant());
    watcher.until_idle(PROMPT.saturating_sub(late)).await;
}
