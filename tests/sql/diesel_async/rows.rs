//! Answers that come bit by bit.

use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use tower_deadline::Stage;

use super::{PROMPT, items, pid, pool, said, with_items, within};
use crate::support::{MS, Stopwatch};

/// So long that the server sends it before it has anything else to say.
const LONG: &str = "repeat('x', 20000)";

/// Makes the end of a statement on [`items`] do this: its rows have been sent by then.
async fn at_its_end(does: &str, client: &tokio_postgres::Client) {
    let statements = format!(
        "CREATE FUNCTION at_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER at_end AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION at_end()"
    );
    client.batch_execute(&statements).await.unwrap();
}

fn insert(rows: u32) -> diesel::query_builder::SqlQuery {
    diesel::sql_query(format!("INSERT INTO items SELECT id, {LONG} FROM generate_series(1, {rows}) id RETURNING *"))
}

#[derive(QueryableByName)]
struct Item {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

#[tokio::test]
async fn one_row_of_many_leaves_the_statement_to_its_end() {
    let database = with_items().await;
    at_its_end("PERFORM pg_sleep(0.1)", &database.connect().await).await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let first: Item = insert(3).get_result(&mut connection).await.unwrap();
    assert_eq!((first.id, connection.backend()), (1, None), "the rest goes on");
    drop(connection);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    assert_eq!(items::table.count().get_result::<i64>(&mut connection).await, Ok(3));
}

#[tokio::test]
async fn the_rest_of_one_row_of_many_ends_at_the_deadline() {
    let database = with_items().await;
    at_its_end("PERFORM pg_sleep(60)", &database.connect().await).await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(600)).await.unwrap();
    let start = Stopwatch::start();
    insert(3).get_result::<Item>(&mut connection).await.map(drop).unwrap();
    drop(connection);
    let took = start.elapsed();
    watcher.until_idle(600 * MS - took.min(600 * MS) + PROMPT).await;
}

#[tokio::test]
async fn a_row_of_a_statement_that_fails_in_the_end_is_no_result() {
    let database = with_items().await;
    at_its_end("RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'", &database.connect().await).await;
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    let result = insert(1).get_result::<Item>(&mut connection).await.map(|item| item.id);
    assert!(result.is_err(), "{result:?}");
}

#[tokio::test]
async fn a_row_alone_leaves_nothing_to_be_stopped() {
    let database = with_items().await;
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    let backend = connection.backend();
    for _ in 0..100 {
        pid(&mut connection).await;
        assert_eq!(connection.backend(), backend, "it is idle");
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_stopped() {
    let database = with_items().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let before = pid(&mut connection).await;
    let endless = || {
        let rows = "repeat('x', 1000) FROM generate_series(1, 100000) a, generate_series(1, 100000) b";
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(rows))
    };
    let mut stream = endless().load_stream::<String>(&mut connection).await.unwrap();
    for _ in 0..10 {
        assert!(stream.try_next().await.unwrap().is_some());
    }
    drop(stream);
    watcher.until_idle(PROMPT).await;
    assert_eq!(pid(&mut connection).await, before);
    drop(connection);

    // Somebody who does not read is stopped at the deadline, and told.
    let mut connection = pool.get_before(within(400)).await.unwrap();
    let mut stream = endless().load_stream::<String>(&mut connection).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    tokio::time::sleep(400 * MS).await;
    let error = loop {
        if let Err(error) = stream.try_next().await {
            break error;
        }
    };
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    assert!(stream.try_next().await.unwrap().is_none());
    // Held or not.
    watcher.until_idle(PROMPT).await;
    drop(stream);
    drop(connection);
    let mut connection = pool.get().await.unwrap();
    connection.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(pid(&mut connection).await, before);
}
