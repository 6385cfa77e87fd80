//! What becomes of cancels on their way through a pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::support::Chance;

#[tokio::test]
async fn hundreds_of_cancels_beside_other_clients_hit_none_of_them_and_the_pooler_lives() {
    const CANCELS: usize = 300;
    let Some(scene) = Scene::new(3).await else { return };
    let (pool, over) = (scene.pool(4), Arc::new(AtomicBool::new(false)));
    let mut others = JoinSet::new();
    for _ in 0..6 {
        let (client, over) = (scene.pooled.connect().await, Arc::clone(&over));
        others.spawn(async move {
            let mut answers = 0;
            while !over.load(Ordering::Relaxed) {
                client.batch_execute("SELECT pg_sleep(0.001)").await.expect("nobody stops it");
                answers += 1;
            }
            answers
        });
    }
    let left = Arc::new(AtomicUsize::new(CANCELS));
    let mut droppers = JoinSet::new();
    for _ in 0..4 {
        let (pool, left) = (pool.clone(), Arc::clone(&left));
        droppers.spawn(async move {
            while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                // Around the end of the statement, which is where a cancel can come too late.
                let mut chance = Chance::of(7, number);
                let patience = 6 * MS * u32::try_from(chance.number() % 100).unwrap() / 100;
                let mut connection = pool.get_before(within(LONG)).await.unwrap();
                let _ = timeout(patience, connection.query_typed("SELECT pg_sleep(0.002)", &[])).await;
            }
        });
    }
    soon("the cancels", droppers.join_all()).await;
    over.store(true, Ordering::Relaxed);
    let answers: usize = soon("the others", others.join_all()).await.into_iter().sum();
    assert!(answers > 100, "{answers}");
    pool.drain(LONG).await.unwrap();
    scene.watcher.until_idle(SLACK).await;
    assert!(scene.pgbouncer.is_up().await);
}

#[tokio::test]
async fn a_cancel_that_the_pooler_drops_is_sent_again() {
    let Some(scene) = Scene::new(1).await else { return };
    let holder = scene.pooled.connect().await;
    let mut connection = scene.pool(1).get_before(within(LONG)).await.unwrap();
    holder.batch_execute("BEGIN").await.unwrap();
    // It waits inside the pooler, where a cancel does not reach it.
    let waiting = timeout(20 * MS, connection.query_typed("SELECT pg_sleep(20)", &[])).await;
    assert!(waiting.is_err(), "{waiting:?}");
    sleep(100 * MS).await;
    holder.batch_execute("COMMIT").await.unwrap();
    drop(connection);
    // Its turn has come, and the cancels after that reach it.
    assert_eq!(one(&holder, "SELECT 1").await, "1");
    scene.watcher.until_idle(SLACK).await;
    assert_eq!(scene.watcher.backends().await, 1, "of one that was not closed");
}

#[tokio::test]
async fn what_waits_in_the_pooler_for_too_long_never_runs() {
    let Some(scene) = Scene::new(1).await else { return };
    scene.watcher.client.batch_execute("SELECT 1").await.unwrap();
    let holder = scene.pooled.connect().await;
    holder.batch_execute("CREATE TABLE t (n int4)").await.unwrap();
    let settings = Settings::new().drains([20 * MS, 20 * MS]);
    let builder = Pool::builder(scene.pooled.config(), NoTls).max_size(1).settings(settings);
    let pool = builder.pooler(Pooler::Transaction).build().unwrap();
    let mut connection = pool.get_before(within(LONG)).await.unwrap();
    holder.batch_execute("BEGIN").await.unwrap();
    let waiting = timeout(20 * MS, connection.execute_typed("INSERT INTO t VALUES (1)", &[])).await;
    assert!(waiting.is_err(), "{waiting:?}");
    drop(connection);
    pool.drain(LONG).await.unwrap();
    assert_eq!(pool.status().size, 0, "it was closed");
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(one(&holder, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_light_storm_leaves_nothing_behind() {
    const REQUESTS: usize = 100;
    let Some(scene) = Scene::new(4).await else { return };
    let pool = scene.pool(8);
    let left = Arc::new(AtomicUsize::new(REQUESTS));
    let mut workers = JoinSet::new();
    for _ in 0..16 {
        let (pool, left) = (pool.clone(), Arc::clone(&left));
        workers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let error = match pool.get_before(within(50 * MS)).await {
                    Ok(mut connection) => connection.query_typed("SELECT pg_sleep(5)", &[]).await.unwrap_err(),
                    Err(error) => error,
                };
                assert!(error.interrupted().is_some(), "{error:?}");
            }
        });
    }
    soon("the storm", workers.join_all()).await;
    scene.watcher.until_idle(250 * MS + SLACK).await;
    for _ in 0..50 {
        let mut connection = pool.get_before(within(LONG)).await.unwrap();
        connection.query_typed_one("SELECT 1", &[]).await.unwrap();
    }
    assert!(scene.pgbouncer.is_up().await);
}

// pgbouncer issue 801.
#[tokio::test]
async fn the_drivers_own_cancels_end_a_pooler_that_ours_do_not() {
    let Some(scene) = Scene::new(1).await else { return };
    if scene.pgbouncer.version[..2] != [1, 18] {
        eprintln!("SKIPPED: PgBouncer is not 1.18");
        return;
    }
    let pool = scene.pool(1);
    for _ in 0..20 {
        let mut connection = pool.get_before(within(LONG)).await.unwrap();
        let _ = timeout(5 * MS, connection.query_typed("SELECT pg_sleep(1)", &[])).await;
    }
    pool.drain(LONG).await.unwrap();
    assert!(scene.pgbouncer.is_up().await);
    for _ in 0..20 {
        if half_closed(&scene.pooled).await.is_err() || !scene.pgbouncer.is_up().await {
            return;
        }
    }
    panic!("it lives: is it still worth a warning?");
}

/// A statement, and the driver's own cancel, which is closed before it is answered.
async fn half_closed(pooled: &Database) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = pooled.config().connect(NoTls).await?;
    tokio::spawn(connection);
    let token = client.cancel_token();
    let cancelling = async {
        sleep(5 * MS).await;
        token.cancel_query(NoTls).await
    };
    let asked = soon("an end of it", async { tokio::join!(client.batch_execute("SELECT pg_sleep(1)"), cancelling) });
    let (_stopped, cancelled) = asked.await;
    cancelled
}
