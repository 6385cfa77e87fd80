//! What the server is told, and that it is told nothing else afterwards.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{Connection, Session};
use deadline_sql::{Outcome, Stopped};
use tower_deadline::{Stage, now};

use super::super::support::{Database, Relay};
use super::{FOREVER, PROMPT, fill, pool, pool_that_hears_the_server, said, sqlstate, within};
use crate::support::{MS, SLACK, Stopwatch, soon};

/// The limit of the session's statements, in milliseconds; 0 is none.
async fn told(session: &mut Session) -> u128 {
    let setting = "SELECT setting::int8 FROM pg_settings WHERE name = 'statement_timeout'";
    let row = session.query_typed_one(setting, &[]).await.unwrap();
    row.get::<_, i64>(0).try_into().unwrap()
}

async fn untold(connection: &mut Connection) {
    assert_eq!(told(connection).await, 0);
    let raw = connection.raw().await.unwrap();
    let row = raw.client().unwrap().query_one("SHOW statement_timeout", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "0");
}

// R40
#[tokio::test]
async fn less_than_a_millisecond_is_not_sent() {
    let database = Database::new().await;
    let relay = Relay::to(database.address).await;
    let pool = pool(&database.by_way_of(relay.address), 1);
    pool.get().await.unwrap();
    let deadline = within(200);
    let mut connection = pool.get_before(deadline).await.unwrap();
    // The server is to stop a millisecond sooner than we do, and so has nothing left.
    while deadline.remaining(now()) >= 2 * MS {
        tokio::task::yield_now().await;
    }
    let flights = relay.flights();
    let error = connection.query_typed("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Unsent, Stopped::NotSent, Outcome::NotStarted)));
    let error = connection.transaction().await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Unsent, Stopped::NotSent, Outcome::NotStarted)));
    assert_eq!(relay.flights(), flights);
}

#[tokio::test]
async fn the_server_is_told_what_is_left_and_less_with_each_statement() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let deadline = within(20_000);
    let mut connection = pool.get_before(deadline).await.unwrap();
    let mut before = 20_000;
    for in_transaction in [false, true] {
        for _ in 0..3 {
            let most = deadline.remaining(now()).as_millis();
            let now_told = if in_transaction {
                let mut transaction = connection.transaction().await.unwrap();
                told(&mut transaction).await
            } else {
                told(&mut connection).await
            };
            assert!((most.saturating_sub(SLACK.as_millis())..=most).contains(&now_told), "{now_told} of {most}");
            assert!(now_told < before, "{now_told} after {before}");
            before = now_told;
            tokio::time::sleep(3 * MS).await;
        }
    }
}

#[tokio::test]
async fn many_short_statements_end_together_at_the_deadline() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get().await.unwrap();
    for in_transaction in [false, true] {
        let start = Stopwatch::start();
        let _ambient = tower_deadline::enter(within(1_000));
        let answered = if in_transaction {
            let mut transaction = connection.transaction().await.unwrap();
            naps(&mut transaction).await
        } else {
            naps(&mut connection).await
        };
        start.assert_due(998 * MS);
        assert!((1..=2).contains(&answered), "{answered} naps of 400 ms in a second");
    }
}

/// How many naps of 400 ms were taken before the deadline.
async fn naps(session: &mut Session) -> usize {
    for answered in 0.. {
        if let Err(error) = session.query_typed("SELECT pg_sleep(0.4)", &[]).await {
            assert!(said(&error).is_some(), "{error:?}");
            return answered;
        }
    }
    unreachable!("the deadline ends it")
}

#[tokio::test]
async fn a_user_without_a_deadline_finds_no_limit() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    untold(&mut pool.get().await.unwrap()).await;
    let short = || async { pool.get_before(within(10_000)).await.unwrap() };
    short().await.query_typed("SELECT 1", &[]).await.unwrap();
    untold(&mut pool.get().await.unwrap()).await;

    short().await.transaction().await.unwrap().commit().await.unwrap();
    untold(&mut pool.get().await.unwrap()).await;

    let mut connection = short().await;
    connection.query_typed("SELECT 1", &[]).await.unwrap();
    connection.transaction().await.unwrap().rollback().await.unwrap();
    drop(connection);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(told(&mut connection.transaction().await.unwrap()).await, 0);
    untold(&mut connection).await;
    drop(connection);

    let error = pool.get_before(within(50)).await.unwrap().query_typed(FOREVER, &[]).await.unwrap_err();
    assert!(said(&error).is_some(), "{error:?}");
    untold(&mut soon("it", pool.get()).await.unwrap()).await;
}

#[tokio::test]
async fn a_limit_of_the_servers_own_is_kept_and_comes_back() {
    let database = Database::new().await;
    let own = format!("ALTER DATABASE {} SET statement_timeout = '300ms'", database.name);
    database.connect().await.batch_execute(&own).await.unwrap();
    let pool = pool(&database, 1);
    for deadline in [None, Some(60_000)] {
        let mut connection = match deadline {
            None => pool.get().await.unwrap(),
            Some(millis) => pool.get_before(within(millis)).await.unwrap(),
        };
        assert_eq!(told(&mut connection).await, 300);
        assert_eq!(told(&mut connection.transaction().await.unwrap()).await, 300);
        let start = Stopwatch::start();
        let error = connection.query_typed(FOREVER, &[]).await.unwrap_err();
        start.assert_due(300 * MS);
        assert_eq!((sqlstate(&error), said(&error)), (Some("57014"), None), "it is not for our deadline");
    }
    let mut short = pool.get_before(within(200)).await.unwrap();
    assert!(told(&mut short).await < 200);
    drop(short);
    assert_eq!(told(&mut pool.get().await.unwrap()).await, 300);
}

#[tokio::test]
async fn where_the_server_stops_it_first_the_outcome_is_known() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool_that_hears_the_server(&database));
    fill(&pool, 1).await;
    let mut connection = pool.get_before(within(1_000)).await.unwrap();
    let backend = connection.backend();
    let error = connection.query_typed(FOREVER, &[]).await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Database, Stopped::ServerTimer, Outcome::RolledBack)));
    // Its clock may be a little faster.
    assert!(error.interrupted().unwrap().exceeded().elapsed() >= 498 * MS, "{error:?}");
    assert_eq!(error.interrupted().unwrap().backend(), backend);
    watcher.until_idle(PROMPT).await;
}

#[tokio::test]
async fn where_nobody_answers_in_time_the_outcome_is_unknown() {
    let database = Database::new().await;
    let (watcher, relay) = (database.watcher().await, Relay::to(database.address).await);
    let pool = pool(&database.by_way_of(relay.address), 1);
    let mut connection = pool.get_before(within(1_000)).await.unwrap();
    let (backend, start) = (connection.backend(), Stopwatch::start());
    relay.freeze(true);
    let error = connection.query_typed("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
    assert!(start.elapsed() < Duration::from_secs(1) + SLACK);
    assert_eq!(error.interrupted().unwrap().backend(), backend);
    relay.freeze(false);
    drop(connection);
    pool.get().await.unwrap().query_typed("SELECT 1", &[]).await.unwrap();
    watcher.until_idle(Duration::from_secs(1)).await;
}
