//! Servers that are not there, go away, or cannot be told.

use std::time::Duration;

use deadline_sql::sqlx::{Error, Pool, interrupted};
use deadline_sql::throwaway::Server;
use deadline_sql::{Outcome, Stopped};
use http_deadline::Stage;
use sqlx::postgres::PgPoolOptions;
use sqlx::{query, query_scalar};
use tokio::time::timeout;

use super::{REST, connected, options, pool, within};
use crate::sql::support::{Database, Newcomers, Relay, own_server};
use crate::support::{MS, Place, Stopwatch, soon};

#[tokio::test]
async fn a_server_that_is_down_is_told_in_time_and_as_what_it_is() {
    let (database, place) = (Database::new().await, Place::take());
    let nowhere = database.by_way_of(place.address);
    let start = Stopwatch::start();
    let error = pool(&nowhere, 2).get_before(within(100)).await.unwrap_err();
    start.assert_due(100 * MS);
    let told = error.interrupted().map(|error| (error.stopped(), error.outcome(), error.exceeded().stage()));
    assert_eq!(told, Some((Stopped::NotSent, Outcome::NotStarted, Stage::Connect)));
    // By sqlx's own limit, where it is the sooner one.
    let impatient = PgPoolOptions::new().acquire_timeout(50 * MS).connect_lazy_with(options(&nowhere));
    let error = Pool::new(impatient).get_before(within(9_000)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && error.is_transient(), "{error:?}");
    let unknown = Database { name: "nobody".to_owned(), ..database };
    let error = pool(&unknown, 2).get_before(within(9_000)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_ends_while_it_works_is_no_deadline() {
    let mut server = own_server(Server::builder());
    let database = Database::on(&server).await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(14_000)).await.unwrap();
    query("SELECT 1").execute(&mut *connection).await.unwrap();
    let stopping = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    let error = query("SELECT pg_sleep(12)").execute(&mut *connection).await.unwrap_err();
    assert!(interrupted(&error).is_none(), "{error:?}");
    assert_eq!(Error::from(error).outcome(), Outcome::Unknown);
    drop(connection);
    let mut server = stopping.await.unwrap();
    let server = tokio::task::spawn_blocking(move || server.start_again().map(|()| server)).await.unwrap().unwrap();
    let mut again = soon("a connection", pool.get()).await.unwrap();
    assert_eq!(query_scalar::<_, i32>("SELECT 1").fetch_one(&mut *again).await.unwrap(), 1);
    drop(server);
}

#[tokio::test]
async fn a_connection_whose_cancel_does_not_get_through_is_closed_and_replaced() {
    let database = Database::new().await;
    let (relay, watcher) = (Relay::to(database.address).await, database.watcher().await);
    let pool = pool(&database.by_way_of(relay.address), 1);
    let mut connection = connected(&pool).await.unwrap();
    query("SET client_connection_check_interval = 50").execute(&mut *connection).await.unwrap();
    let before = connection.backend();
    relay.newcomers(Newcomers::Ignored);
    assert!(timeout(50 * MS, query("SELECT pg_sleep(30)").execute(&mut *connection)).await.is_err());
    drop(connection);
    // Given up after a cancel's time, or after all of its tries.
    soon("the server's own look", async {
        while watcher.active().await > 0 {
            tokio::time::sleep(5 * MS).await;
        }
    })
    .await;
    relay.newcomers(Newcomers::Served);
    let mut again = soon("a connection", connected(&pool)).await.unwrap();
    assert!(again.backend() != before && pool.inner().size() == 1);
    // And cancels get through again.
    assert!(timeout(50 * MS, query("SELECT pg_sleep(30)").execute(&mut *again)).await.is_err());
    drop(again);
    watcher.until_idle(REST + Duration::from_millis(500)).await;
}
