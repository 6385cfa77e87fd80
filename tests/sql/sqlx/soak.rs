//! Statements and transactions that are dropped at any moment, beside others that are not, on a few connections.

use std::collections::BTreeSet;
use std::time::Duration;

use deadline_sql::sqlx::Pool;
use sqlx::{query, query_scalar};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{REST, connected, pool, table, value};
use crate::sql::support::Database;
use crate::support::Chance;

const SEED: u64 = 41;
/// Of the race for the next statement.
const CANCELS: usize = 500;
const CONNECTIONS: u32 = 4;
const WORKERS: usize = 8;
const ROUNDS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_never_hits_the_next_statement() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let mut connection = connected(&pool).await.unwrap();
    let pid = connection.backend();
    let mut stopped = 0;
    for round in 0..CANCELS {
        // Around the end of a statement that takes 2 ms, by a timer that counts milliseconds: the machine's own noise
        // spreads it.
        let after = Duration::from_micros(Chance::of(SEED, round).number() % 4_000);
        let begun = query("SELECT pg_sleep(0.002)").execute(&mut *connection);
        stopped += usize::from(timeout(after, begun).await.is_err());
        let next = query("SELECT pg_sleep(0.001)").execute(&mut *connection).await;
        next.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
    }
    println!("{stopped} of {CANCELS} were dropped");
    assert!((CANCELS / 10..CANCELS).contains(&stopped), "{stopped} of {CANCELS}: this is no race");
    assert_eq!(connection.backend(), pid, "no connection was given up");
}

/// Half of all are dropped somewhere, a third of those in a transaction; the others must not notice.
async fn worker(pool: Pool, worker: usize) -> usize {
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let mut chance = Chance::of(SEED, worker * ROUNDS + round);
        let (after, kind) = (Duration::from_micros(chance.number() % 12_000), chance.number() % 6);
        let work = async {
            let mut connection = pool.get().await?;
            if kind == 0 {
                let mut transaction = connection.begin().await?;
                query("UPDATE seen SET v = v + 1").execute(&mut *transaction).await?;
                query("SELECT pg_sleep(0.004)").execute(&mut *transaction).await?;
                transaction.rollback().await
            } else {
                Ok(query("SELECT pg_sleep(0.006)").execute(&mut *connection).await.map(|_| ())?)
            }
        };
        if kind < 3 {
            match timeout(after, work).await {
                Ok(done) => done.unwrap_or_else(|error| panic!("{worker}, {round}: {error:?}")),
                Err(_) => dropped += 1,
            }
        } else {
            work.await.unwrap_or_else(|error| panic!("{worker}, {round}: {error:?}"));
        }
    }
    dropped
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_dropped_wherever_nobody_else_notices() {
    let database = Database::new().await;
    table(&database).await;
    let (pool, watcher) = (pool(&database, CONNECTIONS), database.watcher().await);
    let before = all_pids(&pool).await;
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(worker(pool.clone(), number));
    }
    let dropped: usize = workers.join_all().await.into_iter().sum();
    println!("{dropped} of {} were dropped", WORKERS * ROUNDS);
    assert!(dropped > WORKERS * ROUNDS / 10, "{dropped}");
    watcher.until_idle(REST).await;
    assert_eq!(value(&database).await, 1, "what was dropped or rolled back is not there");
    assert_eq!(all_pids(&pool).await, before, "no connection was given up");
}

/// The processes of all connections that the pool may have: each of them works.
async fn all_pids(pool: &Pool) -> BTreeSet<i32> {
    let (mut all, mut pids) = (Vec::new(), BTreeSet::new());
    for _ in 0..CONNECTIONS {
        let mut connection = timeout(Duration::from_secs(9), pool.get()).await.unwrap().unwrap();
        pids.insert(query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await.unwrap());
        all.push(connection);
    }
    pids
}
