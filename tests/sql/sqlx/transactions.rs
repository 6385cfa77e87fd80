//! Transactions: what is kept, what is known of it, and what is locked.

use deadline_sql::sqlx::{Error, interrupted};
use deadline_sql::{Outcome, Stopped};
use sqlx::{Executor, query, query_scalar};
use tokio::time::timeout;

use super::{REST, connected, pool, table, value, within};
use crate::sql::support::Database;
use crate::support::{MS, soon};

#[tokio::test]
async fn what_was_committed_is_there_and_what_was_rolled_back_is_not() {
    let database = Database::new().await;
    table(&database).await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(9_000)).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    query("UPDATE seen SET v = 2").execute(&mut *transaction).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    query("UPDATE seen SET v = 3").execute(&mut *savepoint).await.unwrap();
    let error = query("SELECT 1 / 0").execute(&mut *savepoint).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("22012"));
    assert!(matches!(savepoint.commit().await, Err(Error::RolledBack)));
    // The savepoint is gone, and the transaction lives.
    let mut savepoint = transaction.begin().await.unwrap();
    query("UPDATE seen SET v = v + 10").execute(&mut *savepoint).await.unwrap();
    savepoint.commit().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(value(&database).await, 12);
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await.unwrap();
    let level: String = query_scalar("SHOW transaction_isolation").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(level, "serializable");
    query("UPDATE seen SET v = 99").execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    let none = connection.begin_with("UPDATE seen SET v = 99").await;
    assert!(matches!(none, Err(Error::Database(sqlx::Error::BeginFailed))), "{none:?}");
    drop(none);
    assert_eq!(value(&database).await, 12);
}

#[tokio::test]
async fn a_commit_of_a_failed_transaction_is_an_error() {
    let database = Database::new().await;
    table(&database).await;
    let pool = pool(&database, 1);
    let mut connection = connected(&pool).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    query("UPDATE seen SET v = 2").execute(&mut *transaction).await.unwrap();
    query("SELECT 1 / 0").execute(&mut *transaction).await.unwrap_err();
    let error = query("SELECT 1").execute(&mut *transaction).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("25P02"));
    let error = transaction.commit().await.unwrap_err();
    assert!(matches!(error, Error::RolledBack) && error.outcome() == Outcome::RolledBack, "{error:?}");
    assert_eq!(value(&database).await, 1);
    // Ended by hand, it is ended too, though the server takes no time from us then.
    query("BEGIN").execute(&mut *connection).await.unwrap();
    query("SELECT 1 / 0").execute(&mut *connection).await.unwrap_err();
    query("ROLLBACK").execute(&mut *connection).await.unwrap();
    assert_eq!(query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *connection).await.unwrap(), 1);
}

#[tokio::test]
async fn what_a_dropped_transaction_locked_is_free_at_once() {
    let database = Database::new().await;
    table(&database).await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let other = database.connect().await;
    other.batch_execute("SET statement_timeout = 250").await.unwrap();
    for while_it_works in [false, true] {
        let mut connection = connected(&pool).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        query("UPDATE seen SET v = 5").execute(&mut *transaction).await.unwrap();
        if while_it_works {
            let sleeping = query("SELECT pg_sleep(5)").execute(&mut *transaction);
            assert!(timeout(30 * MS, sleeping).await.is_err());
        }
        drop(transaction);
        // In time: it has a limit, too. The connection was not even given back.
        other.batch_execute("UPDATE seen SET v = 1").await.unwrap();
        drop(connection);
        watcher.until_idle(REST).await;
    }
    assert_eq!(value(&database).await, 1);
}

#[tokio::test]
async fn a_deadline_within_a_transaction_frees_what_it_locked() {
    let database = Database::new().await;
    table(&database).await;
    let pool = pool(&database, 1);
    let other = database.connect().await;
    drop(connected(&pool).await.unwrap());
    let mut connection = pool.get_before(within(400)).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    query("UPDATE seen SET v = 5").execute(&mut *transaction).await.unwrap();
    let error = query("SELECT pg_sleep(5)").execute(&mut *transaction).await.unwrap_err();
    assert!(interrupted(&error).is_some(), "{error:?}");
    drop(transaction);
    other.batch_execute("SET statement_timeout = 250; UPDATE seen SET v = v + 1").await.unwrap();
    assert_eq!(value(&database).await, 2);
}

#[tokio::test]
async fn nobody_knows_what_became_of_a_commit_at_the_deadline() {
    let database = Database::new().await;
    table(&database).await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let setup = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'; \
        CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON seen DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()";
    database.connect().await.batch_execute(setup).await.unwrap();
    drop(connected(&pool).await.unwrap());
    let mut connection = pool.get_before(within(400)).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    query("UPDATE seen SET v = 5").execute(&mut *transaction).await.unwrap();
    let error = soon("the deadline", transaction.commit()).await.unwrap_err();
    assert_eq!(
        error.interrupted().map(|error| (error.stopped(), error.outcome())),
        Some((Stopped::Pending, Outcome::Unknown)),
        "{error:?}"
    );
    watcher.until_idle(REST).await;
    assert_eq!(value(&database).await, 1, "the cancel came in time, as it happens");
}

#[tokio::test]
async fn what_was_begun_by_hand_does_not_stay_open() {
    let database = Database::new().await;
    table(&database).await;
    let (pool, watcher) = (pool(&database, 1), database.watcher().await);
    let mut connection = connected(&pool).await.unwrap();
    connection.execute("BEGIN; UPDATE seen SET v = 5").await.unwrap();
    assert_eq!(watcher.idle_in_transaction().await, 1);
    drop(connection);
    watcher.until_idle(REST).await;
    assert_eq!(value(&database).await, 1);
}
