//! Single statements, from their deadline to the pool.

use deadline_sql::diesel_async::Error as OurError;
use deadline_sql::{Outcome, Settings, Stopped};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use tower_deadline::{Stage, now};

use super::super::support::{Database, Newcomers, Relay};
use super::{FOREVER, PROMPT, pid, pool, pool_by, run, said, within};
use crate::support::{MS, Stopwatch};

#[tokio::test]
async fn the_server_stops_a_statement_before_its_deadline_and_says_so() {
    let database = Database::new().await;
    let watcher = database.watcher().await;
    // So early that the server is first also where it is slow.
    let pool = pool_by(&database, 1, Settings::new().reserve(600 * MS));
    for _ in 0..3 {
        let start = Stopwatch::start();
        let mut connection = pool.get_before(within(900)).await.unwrap();
        let before = pid(&mut connection).await;
        let error = run(&mut connection, FOREVER).await.unwrap_err();
        let took = start.elapsed();
        assert!(took >= 297 * MS && took < 900 * MS, "{took:?}");
        assert_eq!(said(&error), Some((Stage::Database, Stopped::ServerTimer, Outcome::RolledBack)));
        watcher.until_idle(PROMPT).await;
        drop(connection);
        assert_eq!(pid(&mut pool.get().await.unwrap()).await, before);
    }
}

#[tokio::test]
async fn a_deadline_ends_every_kind_of_statement_and_its_connection_is_used_again() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let before = pid(&mut pool.get().await.unwrap()).await;
    for kind in 0..4 {
        let deadline = within(200);
        let mut connection = pool.get_before(deadline).await.unwrap();
        let sleep = || diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("pg_sleep(60)::text"));
        let error = match kind {
            0 => run(&mut connection, FOREVER).await.unwrap_err(),
            1 => sleep().load::<String>(&mut connection).await.unwrap_err(),
            2 => sleep().get_result::<String>(&mut connection).await.unwrap_err(),
            _ => connection.batch_execute(FOREVER).await.unwrap_err(),
        };
        assert!(now() + 2 * MS >= deadline.instant(), "{kind}");
        assert!(matches!(said(&error), Some((Stage::Database, ..))), "{kind}: {error:?}");
        watcher.until_idle(PROMPT).await;
        let late = run(&mut connection, "SELECT 1").await.unwrap_err();
        assert_eq!(said(&late), Some((Stage::Unsent, Stopped::NotSent, Outcome::NotStarted)), "{kind}");
        drop(connection);
        assert_eq!(pid(&mut pool.get().await.unwrap()).await, before, "{kind}");
    }
}

// R15
#[tokio::test]
async fn a_dropped_statement_is_stopped_at_once_and_its_connection_is_used_again() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let before = pid(&mut connection).await;
    for pause in [0, 1, 3, 50] {
        assert!(tokio::time::timeout(pause * MS, run(&mut connection, FOREVER)).await.is_err());
        watcher.until_idle(PROMPT).await;
        // The next one is not hit by what stopped that one, and waits for no more than that.
        assert_eq!(pid(&mut connection).await, before, "after {pause} ms");
    }
    assert!(tokio::time::timeout(50 * MS, run(&mut connection, FOREVER)).await.is_err());
    drop(connection);
    watcher.until_idle(PROMPT).await;
    assert_eq!(pid(&mut pool.get().await.unwrap()).await, before);
    assert!(pool.drain(PROMPT).await.is_ok());
}

#[tokio::test]
async fn a_wait_for_a_connection_ends_at_the_deadline() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let held = pool.get().await.unwrap();
    let error = pool.get_before(within(100)).await.unwrap_err();
    let stage = error.interrupted().map(|interrupted| (interrupted.exceeded().stage(), interrupted.outcome()));
    assert_eq!(stage, Some((Stage::Pool, Outcome::NotStarted)));
    drop(held);
    pool.get_before(within(60_000)).await.unwrap();
}

#[tokio::test]
async fn what_does_not_come_to_rest_is_closed_at_once_also_where_somebody_has_it() {
    let database = Database::new().await;
    let (watcher, relay) = (database.watcher().await, Relay::to(database.address).await);
    let settings = Settings::new().cancel_limit(100 * MS);
    let pool = pool_by(&database.by_way_of(relay.address), 1, settings);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let before = pid(&mut connection).await;
    relay.newcomers(Newcomers::Ignored);
    assert!(tokio::time::timeout(50 * MS, run(&mut connection, FOREVER)).await.is_err());
    // The server looks for closed connections four times in a second.
    watcher.until_idle(10 * PROMPT).await;
    let error = run(&mut connection, "SELECT 1").await.unwrap_err();
    assert!(matches!(deadline_sql::diesel_async::find(&error), Some(OurError::ConnectionLost)), "{error:?}");
    relay.newcomers(Newcomers::Served);
    assert_ne!(pid(&mut pool.get_before(within(60_000)).await.unwrap()).await, before);
}

#[tokio::test]
async fn a_connection_that_has_ended_is_replaced() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let before = pid(&mut pool.get().await.unwrap()).await;
    let ended = format!("SELECT pg_terminate_backend({before}, 5000)");
    watcher.client.batch_execute(&ended).await.unwrap();
    tokio::time::sleep(100 * MS).await;
    assert_ne!(pid(&mut pool.get().await.unwrap()).await, before);
}
