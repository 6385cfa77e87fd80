//! Cancels that come to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::super::support::Database;
use super::cancels::Lost;
use super::{FOREVER, PROMPT, pool, pool_by, spin};
use crate::support::{Chance, MS, Stopwatch, eventually, soon};

/// The most that the server takes to notice that nobody is there, and some.
const NOTICED: Duration = Duration::from_secs(5);

fn lost(first: usize) -> Lost {
    Lost { first, tried: Arc::default() }
}

fn tried(lost: &Lost) -> usize {
    let tried: &AtomicUsize = &lost.tried;
    tried.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_cancel_that_was_lost_is_sent_again_until_one_is_not() {
    // After the first 50 ms are waited for an answer, after the second 100, and so on.
    for (first, due) in [(0, 0), (1, 50), (3, 350)] {
        let (database, lost) = (Database::new().await, lost(first));
        let pool = pool_by(&database, 1, lost.clone());
        let mut connection = pool.get().await.unwrap();
        let backend = connection.backend();
        assert!(timeout(100 * MS, connection.query_typed(FOREVER, &[])).await.is_err());
        let left = Stopwatch::start();
        soon("the next answer", connection.query_typed("SELECT 1", &[])).await.unwrap();
        left.assert_due(due * MS);
        assert_eq!((tried(&lost), connection.backend()), (first + 1, backend));
    }
}

#[tokio::test]
async fn a_connection_whose_cancels_are_all_lost_is_closed_and_the_server_notices() {
    let (database, lost) = (Database::new().await, lost(usize::MAX));
    let (watcher, pool) = (database.watcher().await, pool_by(&database, 1, lost.clone()));
    let mut connection = pool.get().await.unwrap();
    assert!(timeout(100 * MS, connection.query_typed(FOREVER, &[])).await.is_err());
    let left = Stopwatch::start();
    drop(connection);
    eventually("it is closed", || pool.status().size == 0).await;
    left.assert_due(1_550 * MS);
    assert_eq!(tried(&lost), 5);
    watcher.until_idle(NOTICED).await;
    pool.get().await.unwrap().query_typed("SELECT 1", &[]).await.unwrap();
    assert_eq!(watcher.backends().await, 1);
}

#[tokio::test]
async fn who_waits_for_a_connection_that_is_closed_is_told() {
    let (database, lost) = (Database::new().await, lost(usize::MAX));
    let pool = pool_by(&database, 1, lost);
    let mut connection = pool.get().await.unwrap();
    assert!(timeout(100 * MS, connection.query_typed(FOREVER, &[])).await.is_err());
    let error = soon("the end", connection.query_typed("SELECT 1", &[])).await.unwrap_err();
    assert!(matches!(error, deadline_sql::Error::ConnectionLost) && error.is_transient(), "{error:?}");
    assert_eq!(error.outcome(), deadline_sql::Outcome::NotStarted);
}

/// The cancel may come before its statement, and then hits nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_dropped_as_it_is_sent_is_stopped_all_the_same() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get().await.unwrap();
    let (backend, mut slowest) = (connection.backend(), Duration::ZERO);
    for number in 0..200 {
        let moment = Duration::from_micros(Chance::of(5, number).number() % 300);
        tokio::select! {
            biased;
            ended = connection.query_typed(FOREVER, &[]) => panic!("{ended:?}"),
            () = spin(moment) => {}
        }
        let left = Stopwatch::start();
        soon("the next answer", connection.query_typed("SELECT 1", &[])).await.unwrap();
        slowest = slowest.max(left.elapsed());
    }
    println!("the slowest of 200 had ended after {slowest:?}");
    assert_eq!(connection.backend(), backend, "nobody had to close it");
    drop(connection);
    watcher.until_idle(PROMPT).await;
}
