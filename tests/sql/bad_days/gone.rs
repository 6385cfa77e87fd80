//! Servers that go, come back, or stand still.

use super::*;

/// Both block.
async fn stop(mut server: Server) -> Server {
    let stopped = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    stopped.await.unwrap()
}

async fn start(mut server: Server) -> Server {
    let started = tokio::task::spawn_blocking(move || server.start_again().map(|()| server));
    started.await.unwrap().unwrap()
}

#[tokio::test]
async fn a_server_that_is_down_is_told_and_found_again() {
    let server = own_server(Server::builder());
    let pool = pool(Database::on(&server).await.config());
    assert_usable(&pool).await;
    let server = stop(server).await;
    let refused = refusal(&pool).await;
    assert!(matches!(&refused, Error::Unavailable(error) if error.verdict() == Verdict::Closed), "{refused:?}");
    assert!(refused.is_transient());
    let _server = start(server).await;
    assert_usable(&pool).await;
}

#[tokio::test]
async fn a_restart_ends_what_runs_and_its_outcome_is_unknown() {
    let counts = Counts::default();
    let _recording = counts.record();
    let server = own_server(Server::builder());
    let database = Database::on(&server).await;
    let pool = pool(database.config());
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    let watcher = database.watcher().await;
    let stopping = async {
        watcher.until_active(1).await;
        drop(watcher);
        stop(server).await
    };
    let start_of_it = Stopwatch::start();
    let (ran, server) = tokio::join!(connection.query("SELECT pg_sleep(20)", &[]), stopping);
    let error = ran.unwrap_err();
    assert!(start_of_it.elapsed() < LONG / 2);
    assert!(matches!(&error, Error::Database(error) if error.sqlstate() == Some("57P01")), "{error:?}");
    assert_eq!((error.outcome(), error.is_transient()), (Outcome::Unknown, true));
    let next = connection.query("SELECT 1", &[]).await.unwrap_err();
    assert!(matches!(next, Error::ConnectionLost), "{next:?}");
    drop(connection);
    assert_eq!((pool.status().size, counts.of(SETTLING)), (0, 0.0));
    let _server = start(server).await;
    assert_usable(&pool).await;
}

#[tokio::test]
async fn a_restart_ends_a_transaction_and_nothing_of_it_is_there() {
    let server = own_server(Server::builder());
    let database = Database::on(&server).await;
    let pool = pool(database.config());
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    connection.batch_execute("CREATE TABLE t (n int4)").await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let server = stop(server).await;
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    drop(connection);
    let _server = start(server).await;
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    let row = connection.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

/// A process that is stopped, until this is dropped: also where the test fails.
struct Frozen(u32);

impl Frozen {
    async fn new(process: u32) -> Self {
        signal(process, "STOP").await;
        Self(process)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let thawed = std::process::Command::new("sh").args(["-c", &format!("kill -CONT {}", self.0)]).status();
        assert!(thawed.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_backend_that_stands_still_is_given_up_and_stops_when_it_moves_again() {
    let (counts, database) = (Counts::default(), Database::new().await);
    let _recording = counts.record();
    let (pool, watcher) = (pool(database.config()), database.watcher().await);
    let start = Stopwatch::start();
    let mut connection = pool.get_before(within(300 * MS)).await.unwrap();
    let pid = connection.backend().expect("it is known");
    let freezing = async {
        watcher.until_active(1).await;
        Frozen::new(pid).await
    };
    let (ran, frozen) = tokio::join!(connection.query("SELECT pg_sleep(20)", &[]), freezing);
    start.assert_due(290 * MS);
    let error = ran.unwrap_err();
    let interrupted = error.interrupted().expect("it is the deadline's");
    assert_eq!((interrupted.stopped(), interrupted.outcome()), (Stopped::Pending, Outcome::Unknown));
    assert_eq!((interrupted.backend(), interrupted.exceeded().stage()), (Some(pid), Stage::Database));
    drop(connection);
    assert_given_up(&pool, &counts).await;
    assert_usable(&pool).await;
    assert_eq!(watcher.active().await, 1, "the frozen one");
    drop(frozen);
    watcher.until_idle(SLACK).await;
}
