//! A soak: half of all work is dropped, or late, at any point, and the other half never notices.
//!
//! `DEADLINE_SQL_SOAK_SECONDS` says how long; `cargo xtask suites sql-soak` takes half an hour.

mod tally;
mod work;

use std::env;
use std::time::Duration;

use deadline_sql::deadpool_postgres::Pool;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::tally::Tally;
use self::work::worker;
use super::super::support::{Database, Watcher};
use super::cancels::OfTheDriver;
use super::{fill, pool, pool_by};
use crate::support::{Chance, MS, eventually};

const SHORT: Duration = Duration::from_secs(5);
/// Twice as many as there are connections: half of them wait.
const WORKERS: usize = 16;
const POOL: usize = 8;
/// The most that anything takes to come to rest: five cancels, and the waits for them.
const REST: Duration = Duration::from_secs(5);

fn length() -> Duration {
    let Ok(seconds) = env::var("DEADLINE_SQL_SOAK_SECONDS") else { return SHORT };
    Duration::from_secs(seconds.parse().expect("DEADLINE_SQL_SOAK_SECONDS is a whole number of seconds"))
}

/// Lets everybody loose on a pool for so long, and looks at what is left.
async fn soak(pool: &Pool, watcher: &Watcher, length: Duration) -> Tally {
    fill(pool, POOL).await;
    let (pids, until) = (watcher.pids().await, Instant::now() + length);
    let mut crowd = JoinSet::new();
    for number in 0..WORKERS {
        crowd.spawn(worker(pool.clone(), number, until));
    }
    let mut all = crowd.join_all().await.into_iter().fold(Tally::default(), Tally::and);
    let rest = async {
        while watcher.active().await + watcher.idle_in_transaction().await > 0 || pool.status().available < POOL {
            sleep(5 * MS).await;
        }
    };
    all.restless = timeout(REST, rest).await.is_err();
    all.reconnects = watcher.pids().await.difference(&pids).count();
    all
}

async fn prepared() -> (Database, Watcher) {
    let database = Database::new().await;
    database.connect().await.batch_execute("CREATE TABLE work (id int8 PRIMARY KEY)").await.unwrap();
    let watcher = database.watcher().await;
    (database, watcher)
}

// R41
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_dropped_nobody_else_notices() {
    let (database, watcher) = prepared().await;
    let pool = pool(&database, POOL);
    let tally = soak(&pool, &watcher, length()).await;
    // A line of the table that `cargo xtask suites` makes.
    println!("\n{}\tnobody else notices what is dropped\t{tally:?}", if tally.is_unhurt() { "ok" } else { "FAILED" });
    tally.assert_unhurt();
    assert_eq!(pool.status().size, POOL, "{tally:?}");
    let kept = database.connect().await.query_one("SELECT count(*) FROM work WHERE id > 0", &[]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), tally.kept, "what was committed is there, and nothing else");
}

/// What the soak is for: cancels that are not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drivers_own_cancel_hurts_others() {
    let (database, watcher) = prepared().await;
    let pool = pool_by(&database, POOL, OfTheDriver);
    let mut all = Tally::default();
    for _ in 0..10 {
        all = all.and(soak(&pool, &watcher, Duration::from_secs(1)).await);
        if all.wrongly_cancelled > 0 {
            println!("{all:?}");
            return;
        }
    }
    panic!("the soak finds nothing wrong with it: {all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_may_be_dropped_at_any_time() {
    let database = Database::new().await;
    let watcher = database.watcher().await;
    let pool = pool(&database, POOL);
    for number in 0..20 {
        let mut chance = Chance::of(17, number);
        let dropped = (0..WORKERS).map(|_| timeout(Duration::from_micros(chance.number() % 12_000), pool.get()));
        join_all(dropped).await;
    }
    let held = join_all((0..POOL).map(|_| pool.get())).await;
    assert!(held.iter().all(Result::is_ok) && pool.status().size == POOL, "{:?}", pool.status());
    eventually("nobody else waits", || pool.status().waiting == 0).await;
    let only_ours = async {
        while watcher.backends().await != POOL {
            sleep(5 * MS).await;
        }
    };
    timeout(REST, only_ours).await.expect("connections that nobody waited for are closed");
}
