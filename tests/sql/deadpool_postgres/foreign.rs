//! Statements that somebody else stops.

use deadline_sql::Outcome;
use deadline_sql::deadpool_postgres::{Connection, Error};
use deadline_sql::throwaway::Server;

use super::super::support::{Database, Watcher, own_server};
use super::{FOREVER, pool, pool_that_hears_the_server, said, sqlstate, within};
use crate::support::soon;

/// A statement that is stopped by this function of PostgreSQL, from elsewhere.
async fn stopped_by(function: &str, connection: &mut Connection, watcher: &Watcher) -> Error {
    let backend = i32::try_from(connection.backend().unwrap()).unwrap();
    let running = async { soon("its end", connection.query_typed(FOREVER, &[])).await.unwrap_err() };
    let stopping = async {
        watcher.until_active(1).await;
        watcher.client.execute(&format!("SELECT {function}($1)"), &[&backend]).await.unwrap();
    };
    tokio::join!(running, stopping).0
}

fn message(error: &Error) -> &str {
    match error {
        Error::Database(error) => error.as_db_error().expect("the server said it").message(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_foreign_57014_is_no_deadline() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    for deadline in [Some(within(60_000)), None] {
        let connection = match deadline {
            Some(deadline) => pool.get_before(deadline).await,
            None => pool.get().await,
        };
        let mut connection = connection.unwrap();
        let backend = connection.backend();
        let error = stopped_by("pg_cancel_backend", &mut connection, &watcher).await;
        assert_eq!((sqlstate(&error), said(&error)), (Some("57014"), None));
        assert_eq!((error.outcome(), error.is_transient()), (Outcome::RolledBack, false));
        connection.query_typed("SELECT 1", &[]).await.unwrap();
        assert_eq!(connection.backend(), backend, "its connection has done nothing");
    }
}

#[tokio::test]
async fn a_foreign_57014_in_a_transaction_aborts_it_and_no_more() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    connection.batch_execute("CREATE TABLE t (v int)").await.unwrap();
    let backend = i32::try_from(connection.backend().unwrap()).unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let running = async { transaction.query_typed(FOREVER, &[]).await.unwrap_err() };
    let stopping = async {
        watcher.until_active(1).await;
        watcher.client.execute("SELECT pg_cancel_backend($1)", &[&backend]).await.unwrap();
    };
    let (error, ()) = tokio::join!(running, stopping);
    assert_eq!(sqlstate(&error), Some("57014"));
    let error = transaction.commit().await.unwrap_err();
    assert!(matches!(error, Error::RolledBack), "{error:?}");
    assert_eq!(connection.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn whose_57014_it_is_does_not_depend_on_the_language() {
    let builder = Server::builder().setting("lc_messages", "C.UTF-8").variable("LANGUAGE", "de");
    let server = own_server(builder);
    let database = Database::on(&server).await;
    let watcher = database.watcher().await;
    let german = database.connect().await.batch_execute("nonsense").await.unwrap_err();
    if !german.as_db_error().unwrap().message().contains("Syntaxfehler") {
        eprintln!("SKIPPED: the messages of this PostgreSQL are not translated");
        return;
    }
    let pool = pool_that_hears_the_server(&database);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let foreign = stopped_by("pg_cancel_backend", &mut connection, &watcher).await;
    assert_eq!((sqlstate(&foreign), said(&foreign)), (Some("57014"), None));
    assert!(message(&foreign).contains("storniere Anfrage"), "{foreign:?}");
    drop(connection);
    let ours = pool.get_before(within(1_000)).await.unwrap().query_typed(FOREVER, &[]).await.unwrap_err();
    assert!(said(&ours).is_some(), "{ours:?}");
}

#[tokio::test]
async fn a_connection_that_somebody_ends_is_closed_and_nobody_knows_what_it_did() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let error = stopped_by("pg_terminate_backend", &mut connection, &watcher).await;
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    assert_eq!((error.outcome(), error.is_transient()), (Outcome::Unknown, true));
    let error = connection.query_typed("SELECT 1", &[]).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost), "{error:?}");
    drop(connection);
    assert_eq!(pool.status().size, 0);
    pool.get().await.unwrap().query_typed("SELECT 1", &[]).await.unwrap();
}
