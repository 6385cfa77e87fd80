//! What a request has locked is free when the request has ended, not when its connection is used again.

use std::time::{Duration, Instant};

use deadline_sql::deadpool_postgres::{Error, Pool};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tower_deadline::{Deadline, Stage, now};

use super::super::support::{Database, Watcher};
use super::{FOREVER, PROMPT, pool, said, within};
use crate::support::{MS, soon};

const WANTED: &str = "UPDATE rows SET v = v + 1 WHERE id = 1";

/// One row, a pool of one connection, and somebody else who wants the row.
struct Scene {
    database: Database,
    watcher: Watcher,
    pool: Pool,
    other: Client,
}

/// What somebody does with a row that they have locked.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// A statement of the same transaction goes on.
    Runs,
    /// Nothing, with the transaction open.
    Nothing,
    /// There is no transaction, but a statement that goes on.
    Alone,
    /// As in the first, but by a transaction of their own words.
    ByHand,
}

const ALL: [Then; 4] = [Then::Runs, Then::Nothing, Then::Alone, Then::ByHand];

impl Scene {
    async fn new() -> Self {
        let database = Database::new().await;
        let other = database.connect().await;
        let row = "CREATE TABLE rows (id int PRIMARY KEY, v int NOT NULL); INSERT INTO rows VALUES (1, 0)";
        other.batch_execute(row).await.unwrap();
        let (watcher, pool) = (database.watcher().await, pool(&database, 1));
        Self { database, watcher, pool, other }
    }

    /// Somebody else gets in line for the row, and says when they got it.
    async fn wait(self, active: usize) -> (Self, JoinHandle<Instant>) {
        let Self { database, watcher, pool, other } = self;
        let waiting = database.connect().await;
        let waiting = tokio::spawn(async move {
            waiting.batch_execute(WANTED).await.unwrap();
            now()
        });
        watcher.until_active(active + 1).await;
        (Self { database, watcher, pool, other }, waiting)
    }

    async fn value(&self) -> i32 {
        self.other.query_one("SELECT v FROM rows", &[]).await.unwrap().get(0)
    }
}

/// Locks the row, and never ends by itself.
async fn holds(pool: Pool, deadline: Deadline, then: Then) -> Result<(), Error> {
    let mut connection = pool.get_before(deadline).await?;
    match then {
        Then::Alone => {
            let statement = "UPDATE rows SET v = v + 100 WHERE id = 1 RETURNING pg_sleep(60)";
            connection.query_typed(statement, &[]).await.map(drop)
        }
        Then::ByHand => {
            connection.batch_execute(&format!("BEGIN; {WANTED}")).await?;
            connection.query_typed(FOREVER, &[]).await.map(drop)
        }
        Then::Runs | Then::Nothing => {
            let mut transaction = connection.transaction().await?;
            transaction.execute("UPDATE rows SET v = v + 100 WHERE id = 1", &[]).await?;
            if let Then::Runs = then {
                transaction.query_typed(FOREVER, &[]).await?;
            }
            std::future::pending().await
        }
    }
}

/// How long after `end` the other one had the row.
async fn had(waiting: JoinHandle<Instant>, end: Instant) -> Duration {
    soon("the row", waiting).await.unwrap().saturating_duration_since(end)
}

#[tokio::test]
async fn a_row_is_free_when_its_request_is_dropped() {
    for then in ALL {
        let scene = Scene::new().await;
        let holder = tokio::spawn(holds(scene.pool.clone(), within(60_000), then));
        let active = usize::from(!matches!(then, Then::Nothing));
        if active == 1 {
            scene.watcher.until_active(1).await;
        } else {
            while scene.watcher.idle_in_transaction().await == 0 || scene.watcher.active().await > 0 {
                tokio::time::sleep(20 * MS).await;
            }
        }
        // The first of them may still be at a statement before the one that goes on.
        tokio::time::sleep(100 * MS).await;
        let (scene, waiting) = scene.wait(active).await;
        holder.abort();
        let took = had(waiting, now()).await;
        println!("{then:?}: {took:?}");
        assert!(took <= PROMPT, "{then:?}: {took:?}");
        scene.watcher.until_idle(PROMPT).await;
        assert_eq!(scene.value().await, 1, "{then:?}: nothing else was done");
    }
}

#[tokio::test]
async fn a_row_is_free_when_the_deadline_of_its_request_has_passed() {
    for then in [Then::Runs, Then::Alone, Then::ByHand] {
        let scene = Scene::new().await;
        let deadline = within(1_000);
        let holder = tokio::spawn(holds(scene.pool.clone(), deadline, then));
        tokio::time::sleep(200 * MS).await;
        scene.watcher.until_active(1).await;
        let (scene, waiting) = scene.wait(1).await;
        let error = soon("the end", holder).await.unwrap().unwrap_err();
        assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
        let took = had(waiting, deadline.instant()).await;
        println!("{then:?}: {took:?}");
        assert!(took <= PROMPT, "{then:?}: {took:?}");
        assert_eq!(scene.value().await, 1, "{then:?}: nothing else was done");
    }
}

/// Somebody who keeps their transaction after the error has aborted it, too.
#[tokio::test]
async fn a_row_is_free_while_the_failed_transaction_is_kept() {
    let scene = Scene::new().await;
    let (pool, deadline) = (scene.pool.clone(), within(500));
    let mut connection = pool.get_before(deadline).await.unwrap();
    let mut transaction = connection.transaction().await.unwrap();
    transaction.execute("UPDATE rows SET v = v + 100 WHERE id = 1", &[]).await.unwrap();
    let (scene, waiting) = scene.wait(0).await;
    assert!(transaction.query_typed(FOREVER, &[]).await.is_err());
    let took = had(waiting, deadline.instant()).await;
    assert!(took <= PROMPT, "{took:?}");
    drop(transaction);
    drop(connection);
    assert_eq!(scene.value().await, 1);
}

#[tokio::test]
async fn who_waits_for_a_row_waits_no_longer_than_to_their_deadline() {
    let scene = Scene::new().await;
    scene.other.batch_execute(&format!("BEGIN; {WANTED}")).await.unwrap();
    let deadline = within(300);
    let mut connection = scene.pool.get_before(deadline).await.unwrap();
    let error = connection.execute("UPDATE rows SET v = v + 100 WHERE id = 1", &[]).await.unwrap_err();
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    let passed = now().saturating_duration_since(deadline.instant());
    while scene.watcher.active().await > 0 {
        assert!(now() < deadline.instant() + PROMPT, "the error came after {passed:?}");
    }
    scene.other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(scene.value().await, 1, "it does not come later");
}
