//! Cancels around the very end of a statement, and the statement after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadline_sql::deadpool_postgres::{Connection, Error, Pool};
use tokio::task::JoinSet;
use tokio_postgres::{NoTls, Row};

use super::super::support::Database;
use super::cancels::OfTheDriver;
use super::{fill, pool_by, spin, sqlstate};
use crate::support::Chance;

const RUNS: usize = 2_000;
const AT_ONCE: usize = 4;

/// How often the statement after a dropped one was hit, and how often one was dropped at all.
#[derive(Debug, Default)]
struct Seen {
    hits: AtomicUsize,
    dropped: AtomicUsize,
}

/// Runs a statement of 2 ms, which is dropped around its end, and another one right behind it.
async fn run(connection: &mut Connection, chance: &mut Chance, seen: &Seen) {
    tokio::select! {
        biased;
        answered = connection.query_typed("SELECT pg_sleep(0.002)", &[]) => seen.look(answered),
        () = spin(Duration::from_micros(1_000 + chance.number() % 2_500)) => {
            seen.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen.look(connection.query_typed("SELECT pg_sleep(0.001)", &[]).await);
}

impl Seen {
    /// Nobody stopped this one on purpose.
    fn look(&self, answered: Result<Vec<Row>, Error>) {
        match answered {
            Ok(_) => {}
            Err(error) if sqlstate(&error) == Some("57014") => {
                self.hits.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// All runs, or those up to the first hit.
async fn race(pool: Pool, up_to_a_hit: bool) -> Arc<Seen> {
    fill(&pool, AT_ONCE).await;
    let (seen, mut racers) = (Arc::new(Seen::default()), JoinSet::new());
    for racer in 0..AT_ONCE {
        let (pool, seen) = (pool.clone(), Arc::clone(&seen));
        racers.spawn(async move {
            for number in 0..RUNS / AT_ONCE {
                let mut connection = pool.get().await.expect("there is one for each");
                run(&mut connection, &mut Chance::of(41 + number as u64, racer), &seen).await;
                if up_to_a_hit && seen.hits.load(Ordering::Relaxed) > 0 {
                    break;
                }
            }
        });
    }
    racers.join_all().await;
    seen
}

// R41
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_never_hits_the_statement_after_its_own() {
    let database = Database::new().await;
    let seen = race(pool_by(&database, AT_ONCE, NoTls), false).await;
    assert_eq!(seen.hits.load(Ordering::Relaxed), 0, "{seen:?}");
    assert!(seen.dropped.load(Ordering::Relaxed) > RUNS / 10, "the race is to be close: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drivers_own_cancel_does() {
    let database = Database::new().await;
    let seen = race(pool_by(&database, AT_ONCE, OfTheDriver), true).await;
    assert!(seen.hits.load(Ordering::Relaxed) > 0, "the race is not close enough to see anything: {seen:?}");
}
