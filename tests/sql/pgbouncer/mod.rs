//! deadpool-postgres behind PgBouncer in transaction mode: nothing stays behind for another client, and no cancel hits
//! one.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{BuildError, Connection, Error, Pool, Pooler, PoolerVersion};
use deadline_sql::{Outcome, Settings, Stopped};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tower_deadline::{Deadline, now};

use super::support::{Database, PgBouncer, Watcher, server};
use crate::support::{MS, SLACK, Stopwatch, soon};

mod cancels;

const LONG: Duration = Duration::from_secs(20);

/// A database by way of a pooler, with so many connections from there.
struct Scene {
    pgbouncer: PgBouncer,
    pooled: Database,
    watcher: Watcher,
}

impl Scene {
    /// `None` where there is no PgBouncer, which is said.
    async fn new(connections: usize) -> Option<Self> {
        let database = Database::new().await;
        let pgbouncer = PgBouncer::in_front_of(server(), connections).await?;
        Some(Self { pooled: pgbouncer.way_to(&database), watcher: database.watcher().await, pgbouncer })
    }

    fn pool(&self, size: usize) -> Pool {
        let builder = Pool::builder(self.pooled.config(), NoTls).max_size(size);
        builder.pooler(Pooler::Transaction).build().expect("a pool needs nothing more")
    }

    /// What a stranger finds in the one session that all share.
    async fn timeout_of_others(&self) -> String {
        one(&self.pooled.connect().await, "SHOW statement_timeout").await
    }
}

fn within(budget: Duration) -> Deadline {
    Deadline::after(now(), budget)
}

/// As text: so nothing is prepared.
async fn one(client: &Client, statement: &str) -> String {
    let messages = client.simple_query(statement).await.unwrap();
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.expect("a row")
}

async fn count(connection: &mut Connection, table: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM {table}");
    connection.query_typed_one(&statement, &[]).await.unwrap().get(0)
}

fn code(error: &Error) -> Option<&SqlState> {
    match error {
        Error::Database(error) => error.code(),
        _ => None,
    }
}

#[tokio::test]
async fn what_a_session_is_told_is_found_by_another_client_and_so_it_is_told_nothing() {
    let Some(scene) = Scene::new(1).await else { return };
    let pool = scene.pool(1);
    for _ in 0..3 {
        let mut connection = pool.get_before(within(LONG)).await.unwrap();
        connection.query_typed("SELECT 1", &[]).await.unwrap();
        connection.query("SELECT $1::int4", &[&1_i32]).await.unwrap();
        connection.batch_execute("SELECT 1").await.unwrap();
        let mut transaction = connection.transaction().await.unwrap();
        transaction.batch_execute("SELECT 1").await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(scene.timeout_of_others().await, "0");
    assert_eq!(one(&scene.pooled.connect().await, "SHOW client_connection_check_interval").await, "0");

    // What ours do not do.
    let naive = scene.pooled.connect().await;
    naive.batch_execute("SET statement_timeout = 50").await.unwrap();
    assert_eq!(scene.timeout_of_others().await, "50ms");
    let stranger = scene.pooled.connect().await;
    let stopped = stranger.batch_execute("SELECT pg_sleep(5)").await.unwrap_err();
    assert_eq!(stopped.code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test]
async fn the_server_itself_stops_a_statement_and_the_connection_goes_on() {
    let Some(scene) = Scene::new(1).await else { return };
    let mut connection = scene.pool(1).get_before(within(200 * MS)).await.unwrap();
    let start = Stopwatch::start();
    let error = connection.query_typed("SELECT pg_sleep(20)", &[]).await.unwrap_err();
    assert!(start.elapsed() < 200 * MS + SLACK);
    let interrupted = error.interrupted().expect("it is the deadline's");
    // Where this machine was too slow for the server's word, it is told later.
    let told = (interrupted.stopped(), interrupted.outcome());
    let ways = [(Stopped::ServerTimer, Outcome::RolledBack), (Stopped::Pending, Outcome::Unknown)];
    assert!(ways.contains(&told), "{told:?}");
    assert_eq!(interrupted.backend(), None, "whose process it was, nobody knows");
    drop(connection);
    scene.watcher.until_idle(250 * MS + SLACK).await;
    assert_eq!(scene.watcher.idle_in_transaction().await, 0);
}

#[tokio::test]
async fn what_a_statement_did_is_kept_by_itself_and_what_failed_is_not() {
    let Some(scene) = Scene::new(1).await else { return };
    let pool = scene.pool(1);
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    connection.batch_execute("CREATE TABLE t (n int4 PRIMARY KEY)").await.unwrap();
    assert_eq!(connection.execute("INSERT INTO t VALUES ($1)", &[&1_i32]).await.unwrap(), 1);
    assert_eq!(connection.execute_typed("INSERT INTO t VALUES ($1)", &[(&2_i32, Type::INT4)]).await.unwrap(), 1);
    assert_eq!(connection.simple_query("INSERT INTO t VALUES (3)").await.unwrap().len(), 1);
    let twice = connection.batch_execute("INSERT INTO t VALUES (4); INSERT INTO t VALUES (1)").await.unwrap_err();
    assert_eq!(code(&twice), Some(&SqlState::UNIQUE_VIOLATION));
    assert_eq!(count(&mut connection, "t").await, 3);
    drop(connection);
    assert_eq!(one(&scene.pooled.connect().await, "SELECT count(*) FROM t").await, "3", "others see it too");
    scene.watcher.until_idle(SLACK).await;
}

#[tokio::test]
async fn streams_and_copies_are_kept_where_they_are_complete() {
    let Some(scene) = Scene::new(1).await else { return };
    let mut connection = scene.pool(1).get_before(within(LONG)).await.unwrap();
    connection.batch_execute("CREATE TABLE t (n int4)").await.unwrap();
    let mut copy = connection.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap();
    copy.send("1\n2\n".into()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 2);
    let returning = "INSERT INTO t SELECT generate_series(3, 5) RETURNING n";
    let rows = connection.query_raw::<_, i32, _>(returning, []).await.unwrap();
    assert_eq!(rows.map_ok(|row| row.get::<_, i32>(0)).try_collect::<Vec<_>>().await.unwrap(), [3, 4, 5]);
    let out = connection.copy_out("COPY (SELECT count(*) FROM t) TO STDOUT").await.unwrap();
    assert_eq!(out.try_collect::<Vec<_>>().await.unwrap(), ["5\n"]);

    let mut rows = connection.query_raw::<_, i32, _>(returning, []).await.unwrap();
    assert!(rows.next().await.expect("a row").is_ok());
    drop(rows);
    assert_eq!(count(&mut connection, "t").await, 5, "it was not complete");
    drop(connection);
    scene.watcher.until_idle(SLACK).await;
}

#[tokio::test]
async fn what_cannot_run_in_a_transaction_runs_without_a_deadline() {
    let Some(scene) = Scene::new(1).await else { return };
    let pool = scene.pool(1);
    let vacuum = pool.get_before(within(LONG)).await.unwrap().batch_execute("VACUUM pg_class").await;
    assert_eq!(code(&vacuum.unwrap_err()), Some(&SqlState::ACTIVE_SQL_TRANSACTION));
    pool.get().await.unwrap().batch_execute("VACUUM pg_class").await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_was_begun_by_hand_does_not_end_with_one_of_ours() {
    let Some(scene) = Scene::new(1).await else { return };
    let pool = scene.pool(1);
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    connection.batch_execute("CREATE TABLE t (n int4)").await.unwrap();
    connection.batch_execute("BEGIN").await.unwrap();
    connection.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    connection.execute_typed("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    drop(connection);
    assert_eq!(count(&mut pool.get().await.unwrap(), "t").await, 0, "nobody has committed it");
}

#[tokio::test]
async fn a_prepared_statement_lasts_as_long_as_the_process_that_it_was_prepared_by() {
    let Some(scene) = Scene::new(2).await else { return };
    let pool = scene.pool(1);
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    let inside = transaction.prepare("SELECT 1").await.unwrap();
    assert_eq!(transaction.query_one(&inside, &[]).await.unwrap().get::<_, i32>(0), 1);
    transaction.commit().await.unwrap();
    let outside = connection.prepare("SELECT 2").await.unwrap();
    // The process that prepared it was free last, and is the first to be lent: another client has it now.
    let other = scene.pooled.connect().await;
    other.batch_execute("BEGIN").await.unwrap();
    let asked = connection.query_one(&outside, &[]).await;
    match (scene.pgbouncer.version, asked) {
        ([1, ..21, _], Err(error)) => {
            assert_eq!(code(&error), Some(&SqlState::INVALID_SQL_STATEMENT_NAME));
        }
        (version, asked) => assert!(version >= [1, 21, 0] && asked.is_ok(), "{asked:?}"),
    }
    // What is not kept is prepared where it runs, if it has a transaction, or is not prepared at all.
    assert_eq!(connection.query_one("SELECT $1::int4", &[&3_i32]).await.unwrap().get::<_, i32>(0), 3);
    let mut unbounded = scene.pool(1).get().await.unwrap();
    assert_eq!(unbounded.query_typed_one("SELECT 4", &[]).await.unwrap().get::<_, i32>(0), 4);
}

#[tokio::test]
async fn startup_options_are_refused_where_the_pool_is_built() {
    let mut config = Database::new().await.config();
    let config = config.options("-c statement_timeout=1s");
    let builder = || Pool::builder(config.clone(), NoTls).settings(Settings::new());
    assert!(builder().build().is_ok(), "a server takes them");
    let refused = builder().pooler(Pooler::Transaction).build().unwrap_err();
    assert!(matches!(refused, BuildError::StartupOptions) && refused.to_string().contains("ALTER ROLE"), "{refused}");
    // As the pooler would have, at each connect.
    let Some(scene) = Scene::new(1).await else { return };
    let mut pooled = scene.pooled.config();
    let refused = pooled.options("-c statement_timeout=1s").connect(NoTls).await;
    assert_eq!(refused.err().and_then(|error| error.code().cloned()), Some(SqlState::PROTOCOL_VIOLATION));
}

#[tokio::test]
async fn the_pooler_tells_its_version_and_a_server_has_none() {
    let Some(scene) = Scene::new(1).await else { return };
    let [major, minor, patch] = scene.pgbouncer.version.map(|number| u16::try_from(number).unwrap());
    let told = PoolerVersion::ask(&scene.pooled.config(), NoTls).await.unwrap();
    assert_eq!(told, Some(PoolerVersion::new(major, minor, patch)));
    let direct = Database::new().await;
    direct.connect().await.batch_execute("CREATE DATABASE pgbouncer").await.unwrap();
    let asked = PoolerVersion::ask(&direct.config(), NoTls).await;
    assert!(asked.is_err(), "{asked:?}");
}
