//! `COMMIT`, which the server's own timer does not stop.

use std::time::Duration;

use deadline_sql::throwaway::Server;
use deadline_sql::{Outcome, Stopped};
use tokio::time::timeout;
use tower_deadline::{Stage, now};

use super::super::super::support::{Database, Relay, own_server};
use super::super::{PROMPT, pool, said, within};
use super::{NONE, Scene};
use crate::support::{MS, SLACK, Stopwatch};

/// What is checked at the end of a transaction, for a minute.
const DEFERRED: &str = "
    CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION sleeps()";

#[tokio::test]
async fn a_commit_is_stopped_at_the_deadline() {
    let scene = Scene::new().await;
    scene.other.batch_execute(DEFERRED).await.unwrap();
    let start = Stopwatch::start();
    let deadline = within(500);
    let mut connection = scene.pool.get_before(deadline).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    start.assert_due(500 * MS);
    assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
    let late = now().saturating_duration_since(deadline.instant());
    scene.watcher.until_idle(PROMPT.saturating_sub(late)).await;
    assert_eq!(scene.rows().await, NONE);
}

#[tokio::test]
async fn a_commit_is_stopped_when_it_is_dropped() {
    let scene = Scene::new().await;
    scene.other.batch_execute(DEFERRED).await.unwrap();
    let mut connection = scene.pool.get().await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert!(timeout(100 * MS, transaction.commit()).await.is_err());
    scene.watcher.until_idle(PROMPT).await;
    assert_eq!(scene.rows().await, NONE);
}

/// A statement by itself is a transaction, too.
#[tokio::test]
async fn a_statement_whose_own_commit_takes_too_long_is_stopped() {
    let scene = Scene::new().await;
    scene.other.batch_execute(DEFERRED).await.unwrap();
    let deadline = within(500);
    let mut connection = scene.pool.get_before(deadline).await.unwrap();
    let error = connection.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    let late = now().saturating_duration_since(deadline.instant());
    scene.watcher.until_idle(PROMPT.saturating_sub(late)).await;
    assert_eq!(scene.rows().await, NONE);
}

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_is_unknown_and_may_be_done() {
    let missing = Server::builder().setting("synchronous_standby_names", "missing");
    let server = own_server(missing.setting("synchronous_commit", "local"));
    let database = Database::on(&server).await;
    let (watcher, other) = (database.watcher().await, database.connect().await);
    other.batch_execute("CREATE TABLE t (v int)").await.unwrap();
    let pool = pool(&database, 1);
    let start = Stopwatch::start();
    let deadline = within(500);
    let mut connection = pool.get_before(deadline).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction
        .batch_execute("SET LOCAL synchronous_commit = on; INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let error = transaction.commit().await.unwrap_err();
    start.assert_due(500 * MS);
    assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
    let late = now().saturating_duration_since(deadline.instant());
    watcher.until_idle(PROMPT.saturating_sub(late)).await;
    let rows = other.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 1, "it is kept here, and nowhere else");
    drop(connection);
    pool.get().await.unwrap().query_typed("SELECT 1", &[]).await.unwrap();
    assert_eq!(watcher.backends().await, 2, "the connection is the same, and that of the test");
}

/// The answer is on its way when the deadline passes.
#[tokio::test]
async fn a_commit_whose_answer_is_late_is_unknown_and_done() {
    let scene = Scene::new().await;
    let relay = Relay::to(scene.database.address).await;
    let scene = Scene { pool: pool(&scene.database.by_way_of(relay.address), 1), ..scene };
    let mut connection = scene.pool.get_before(within(1_000)).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    relay.freeze(true);
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
    relay.freeze(false);
    drop(connection);
    scene.watcher.until_idle(Duration::from_secs(1) + SLACK).await;
    // Which of the two it is depends on whether the commit or the cancel was there first.
    assert!(scene.rows().await.len() <= 1);
    scene.assert_nothing_open().await;
}
