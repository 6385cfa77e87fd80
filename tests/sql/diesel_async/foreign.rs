//! Statements that somebody else stops, or that fail by themselves when their time is up.

use deadline_sql::Settings;
use deadline_sql::diesel_async::Connection;
use deadline_sql::throwaway::Server;
use diesel::result::Error;
use diesel_async::SimpleAsyncConnection;

use super::super::support::{Database, Watcher, own_server};
use super::{FOREVER, message, pid, pool, pool_by, run, said, within};
use crate::support::{MS, soon};

/// A statement that is stopped by this function of PostgreSQL, from elsewhere.
async fn stopped_by(function: &str, connection: &mut Connection, watcher: &Watcher) -> Error {
    let backend = pid(connection).await;
    let running = async { soon("its end", run(connection, FOREVER)).await.unwrap_err() };
    let stopping = async {
        watcher.until_active(1).await;
        watcher.client.execute(&format!("SELECT {function}($1)"), &[&backend]).await.unwrap();
    };
    tokio::join!(running, stopping).0
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
        let backend = pid(&mut connection).await;
        let error = stopped_by("pg_cancel_backend", &mut connection, &watcher).await;
        assert_eq!((said(&error), message(&error)), (None, "canceling statement due to user request"));
        assert_eq!(pid(&mut connection).await, backend, "its connection has done nothing");
    }
}

#[tokio::test]
async fn whose_57014_it_is_does_not_depend_on_the_language() {
    let server = own_server(Server::builder().setting("lc_messages", "C.UTF-8").variable("LANGUAGE", "de"));
    let database = Database::on(&server).await;
    let watcher = database.watcher().await;
    let pool = pool_by(&database, 1, Settings::new().reserve(500 * MS));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let nonsense = run(&mut connection, "nonsense").await.unwrap_err();
    if !message(&nonsense).contains("Syntaxfehler") {
        eprintln!("SKIPPED: the messages of this PostgreSQL are not translated");
        return;
    }
    let foreign = stopped_by("pg_cancel_backend", &mut connection, &watcher).await;
    assert_eq!(said(&foreign), None);
    assert!(message(&foreign).contains("storniere Anfrage"), "{foreign:?}");
    drop(connection);
    let ours = run(&mut pool.get_before(within(700)).await.unwrap(), FOREVER).await.unwrap_err();
    assert!(said(&ours).is_some(), "{ours:?}");
}

#[tokio::test]
async fn a_limit_of_the_servers_own_is_no_deadline() {
    let database = Database::new().await;
    let limit = format!("ALTER DATABASE {} SET statement_timeout = 100", database.name);
    database.connect().await.batch_execute(&limit).await.unwrap();
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    let error = run(&mut connection, FOREVER).await.unwrap_err();
    assert_eq!((said(&error), message(&error)), (None, "canceling statement due to statement timeout"));
}

/// The server counts the time of each statement in a message by itself, so that something can fail after it.
#[tokio::test]
async fn a_failure_of_its_own_when_the_time_is_up_is_no_deadline() {
    let database = Database::new().await;
    let pool = pool_by(&database, 1, Settings::new().reserve(20_000 * MS));
    // Its opening is not to take from the time.
    pid(&mut pool.get().await.unwrap()).await;
    let mut connection = pool.get_before(within(21_500)).await.unwrap();
    let error = connection
        .batch_execute("SELECT pg_sleep(0.8); SELECT pg_sleep(0.8); SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!((said(&error), message(&error)), (None, "division by zero"));
    // And one that the server stops then is one.
    drop(connection);
    let mut connection = pool.get_before(within(20_500)).await.unwrap();
    let error = connection.batch_execute("SELECT pg_sleep(0.3); SELECT pg_sleep(60)").await.unwrap_err();
    assert!(said(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_somebody_ends_is_not_given_to_the_next_one() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let error = stopped_by("pg_terminate_backend", &mut connection, &watcher).await;
    assert_eq!(said(&error), None, "{error:?}");
    drop(connection);
    // The server's last word came as an answer, and its farewell behind it.
    tokio::time::sleep(100 * MS).await;
    pid(&mut pool.get().await.unwrap()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_it_is() {
    let nowhere = ([127, 0, 0, 1], 1).into();
    let pool = pool(&Database { name: "none".to_owned(), address: nowhere }, 1);
    let error = pool.get_before(within(60_000)).await.unwrap_err();
    assert!(matches!(error, deadline_sql::Error::Unavailable(_)) && error.is_transient(), "{error:?}");
    let error = Error::from(error);
    assert_eq!(error.to_string(), "no connection to the database");
}
