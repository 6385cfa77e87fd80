//! Networks that take connections no more, or swallow what is sent.

use super::*;

/// A server with somebody in front of it.
async fn relayed() -> (Database, Relay, Pool) {
    let database = Database::on(server()).await;
    let relay = Relay::to(database.address).await;
    let pool = pool(database.by_way_of(relay.address).config());
    (database, relay, pool)
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_at_the_deadline_and_takes_no_place() {
    let (_database, relay, pool) = relayed().await;
    relay.newcomers(Newcomers::Ignored);
    let start = Stopwatch::start();
    let error = pool.get_before(within(100 * MS)).await.unwrap_err();
    start.assert_due(100 * MS);
    let interrupted = error.interrupted().expect("it is the deadline's");
    let told = (interrupted.exceeded().stage(), interrupted.stopped(), interrupted.outcome());
    assert_eq!(told, (Stage::Connect, Stopped::NotSent, Outcome::NotStarted));
    assert_eq!(pool.status().size, 0);
    relay.newcomers(Newcomers::Served);
    assert_usable(&pool).await;
}

#[tokio::test]
async fn who_waits_for_one_who_connects_waits_for_the_pool() {
    let (_database, relay, pool) = relayed().await;
    let held = pool.get_before(within(LONG)).await.unwrap();
    let error = pool.get_before(within(50 * MS)).await.unwrap_err();
    assert_eq!(error.interrupted().map(|interrupted| interrupted.exceeded().stage()), Some(Stage::Pool));
    drop(held);
    assert_usable(&pool).await;
    assert_eq!(relay.accepted(), 1);
}

/// Cancels go nowhere: the connection is closed, and the server sees that and stops.
async fn cancels_come_to(newcomers: Newcomers) {
    let counts = Counts::default();
    let _recording = counts.record();
    let (database, relay, pool) = relayed().await;
    let watcher = database.watcher().await;
    let connection = pool.get_before(within(LONG)).await.unwrap();
    relay.newcomers(newcomers);
    let start = Stopwatch::start();
    drop_early(connection).await;
    assert_given_up(&pool, &counts).await;
    assert!(start.elapsed() < 30 * MS + LADDER + 50 * MS + SLACK);
    assert!(relay.accepted() > 1, "a cancel was sent");
    // The interval at which it looks is 250 ms.
    watcher.until_idle(250 * MS + SLACK).await;
    relay.newcomers(Newcomers::Served);
    assert_usable(&pool).await;
}

#[tokio::test]
async fn cancels_that_nobody_answers_close_the_connection_and_the_server_stops() {
    cancels_come_to(Newcomers::Ignored).await;
}

#[tokio::test]
async fn cancels_that_are_reset_close_the_connection_and_the_server_stops() {
    cancels_come_to(Newcomers::Reset).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_costs_no_more_than_the_deadline_and_the_ladder() {
    let counts = Counts::default();
    let _recording = counts.record();
    let (database, relay, pool) = relayed().await;
    let watcher = database.watcher().await;
    let mut connection = pool.get_before(within(200 * MS)).await.unwrap();
    relay.freeze(true);
    let start = Stopwatch::start();
    let error = connection.query("SELECT 1", &[]).await.unwrap_err();
    assert!(start.elapsed() < 200 * MS + SLACK);
    let interrupted = error.interrupted().expect("it is the deadline's");
    assert_eq!((interrupted.stopped(), interrupted.outcome()), (Stopped::Pending, Outcome::Unknown));
    drop(connection);
    assert_given_up(&pool, &counts).await;
    relay.freeze(false);
    assert_usable(&pool).await;
    watcher.until_idle(250 * MS + SLACK).await;
}

#[tokio::test]
async fn a_cut_connection_is_an_error_of_the_database_and_another_is_opened() {
    let (database, relay, pool) = relayed().await;
    let watcher = database.watcher().await;
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    let cutting = async {
        watcher.until_active(1).await;
        relay.cut();
    };
    let (ran, ()) = tokio::join!(connection.query("SELECT pg_sleep(20)", &[]), cutting);
    let error = ran.unwrap_err();
    assert!(matches!(&error, Error::Database(error) if error.verdict() == Verdict::Closed), "{error:?}");
    assert_eq!((error.outcome(), error.is_transient()), (Outcome::Unknown, true));
    drop(connection);
    assert_usable(&pool).await;
    watcher.until_idle(250 * MS + SLACK).await;
}
