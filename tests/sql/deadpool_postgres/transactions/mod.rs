//! Transactions: kept by word of the server or not at all, and never left open.

mod commits;
mod savepoints;

use deadline_sql::Outcome;
use deadline_sql::deadpool_postgres::tokio_postgres::IsolationLevel;
use deadline_sql::deadpool_postgres::{Error, Pool};
use futures_util::FutureExt;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::super::support::{Database, Relay, Watcher};
use super::{FOREVER, PROMPT, pool, said, sqlstate, within};
use crate::support::MS;

/// Of no rows.
const NONE: [i32; 0] = [];

/// A table, a pool of one connection, and somebody who looks at both.
struct Scene {
    database: Database,
    watcher: Watcher,
    pool: Pool,
    other: Client,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::new().await;
        let other = database.connect().await;
        other.batch_execute("CREATE TABLE t (v int NOT NULL)").await.unwrap();
        Self { watcher: database.watcher().await, pool: pool(&database, 1), database, other }
    }

    /// What is there for others to see.
    async fn rows(&self) -> Vec<i32> {
        let rows = self.other.query("SELECT v FROM t ORDER BY v", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Fails unless what the pool's next user writes is there at once, as outside of a transaction.
    async fn assert_nothing_open(&self) {
        self.watcher.until_idle(PROMPT).await;
        let mut connection = self.pool.get().await.unwrap();
        connection.execute("INSERT INTO t VALUES (999)", &[]).await.unwrap();
        assert_eq!(self.rows().await.last(), Some(&999));
        self.other.batch_execute("DELETE FROM t WHERE v = 999").await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_transaction_is_not_committed_and_says_so() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    let backend = connection.backend();
    for limited in [false, true] {
        let _ambient = limited.then(|| tower_deadline::enter(within(60_000)));
        let mut transaction = connection.transaction().await.unwrap();
        transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        let error = transaction.query_typed("SELECT 1 / 0", &[]).await.unwrap_err();
        assert_eq!(sqlstate(&error), Some("22012"));
        let error = transaction.query_typed("SELECT 1", &[]).await.unwrap_err();
        assert_eq!(sqlstate(&error), Some("25P02"));
        // As where somebody swallows the errors before.
        let error = transaction.commit().await.unwrap_err();
        assert!(matches!(error, Error::RolledBack), "{error:?}");
        assert_eq!((error.outcome(), error.is_transient()), (Outcome::RolledBack, false));
        assert_eq!(scene.rows().await, NONE);
        connection.query_typed("SELECT 1", &[]).await.unwrap();
        assert_eq!(connection.backend(), backend);
    }
}

#[tokio::test]
async fn what_was_committed_or_rolled_back_is_so() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert_eq!(scene.rows().await, NONE);
    transaction.commit().await.unwrap();
    assert_eq!(scene.rows().await, [1]);
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    connection.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap();
    assert_eq!(scene.rows().await, [1, 3]);
}

#[tokio::test]
async fn a_transaction_has_the_modes_that_it_was_given() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let builder = connection.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let mut transaction = builder.start().await.unwrap();
    let row = transaction.query_one("SHOW transaction_isolation", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "repeatable read");
    let error = transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(sqlstate(&error), Some("25006"));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_ends_though_its_connection_is_kept() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert_eq!(scene.watcher.idle_in_transaction().await, 1);
    drop(transaction);
    scene.watcher.until_idle(PROMPT).await;
    connection.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    assert_eq!(scene.rows().await, [2]);
}

#[tokio::test]
async fn a_begin_may_be_dropped_at_any_time_and_leaves_nothing_open() {
    let scene = Scene::new().await;
    let relay = Relay::delaying(scene.database.address, 10 * MS).await;
    let slow = pool(&scene.database.by_way_of(relay.address), 1);
    let scene = Scene { pool: slow, ..scene };
    for after in [None, Some(0), Some(5), Some(10), Some(15), Some(19), Some(21)] {
        let mut connection = scene.pool.get().await.unwrap();
        match after {
            None => assert!(connection.transaction().now_or_never().is_none()),
            Some(after) => drop(timeout(after * MS, connection.transaction()).await),
        }
        // Neither by who keeps the connection, nor by who has it next.
        connection.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        assert_eq!(scene.rows().await, [1], "{after:?}");
        scene.other.batch_execute("DELETE FROM t").await.unwrap();
        let _ = timeout(after.unwrap_or(0) * MS, connection.transaction()).await;
        drop(connection);
        scene.assert_nothing_open().await;
    }
}

#[tokio::test]
async fn a_begin_that_is_late_leaves_nothing_open() {
    let scene = Scene::new().await;
    let relay = Relay::delaying(scene.database.address, 50 * MS).await;
    let slow = pool(&scene.database.by_way_of(relay.address), 1);
    let scene = Scene { pool: slow, ..scene };
    scene.assert_nothing_open().await;
    let mut connection = scene.pool.get_before(within(60)).await.unwrap();
    let error = connection.transaction().await.unwrap_err();
    assert!(said(&error).is_some(), "{error:?}");
    drop(connection);
    scene.assert_nothing_open().await;
}

#[tokio::test]
async fn a_transaction_of_ones_own_words_ends_with_the_loan() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    connection.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    drop(connection);
    scene.assert_nothing_open().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let raw = connection.raw().await.unwrap();
    raw.client().unwrap().batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    drop(raw);
    drop(connection);
    scene.assert_nothing_open().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let begin = connection.prepare("BEGIN").await.unwrap();
    connection.execute(&begin, &[]).await.unwrap();
    connection.query_typed("INSERT INTO t VALUES (3)", &[]).await.unwrap();
    drop(connection);
    scene.assert_nothing_open().await;
    assert_eq!(scene.rows().await, NONE);
}

/// A limit that is taken back within it comes back with its end.
#[tokio::test]
async fn the_end_of_a_transaction_of_ones_own_words_leaves_no_limit() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    {
        let _ambient = tower_deadline::enter(within(60_000));
        connection.batch_execute("BEGIN").await.unwrap();
    }
    connection.query_typed("SELECT 1", &[]).await.unwrap();
    drop(connection);
    let mut connection = scene.pool.get().await.unwrap();
    let row = connection.query_one("SHOW statement_timeout", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "0");
}

#[tokio::test]
async fn a_transaction_whose_statement_was_late_cannot_be_committed() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    {
        let _ambient = tower_deadline::enter(within(100));
        let error = transaction.query_typed(FOREVER, &[]).await.unwrap_err();
        assert!(said(&error).is_some(), "{error:?}");
    }
    let error = transaction.commit().await.unwrap_err();
    assert!(matches!(error, Error::RolledBack), "{error:?}");
    connection.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    assert_eq!(scene.rows().await, [2]);
}
