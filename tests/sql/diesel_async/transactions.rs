//! Transactions: kept, undone, left, and stopped.

use std::time::Duration;

use deadline_sql::diesel_async::{Connection, Error as OurError, Pool, Transactions, find};
use deadline_sql::{Outcome, Stopped};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};
use tower_deadline::{Deadline, Stage, now};

use super::super::support::{Database, Watcher};
use super::{FOREVER, PROMPT, items, pid, pool, run, said, with_items, within};
use crate::support::{MS, soon};

async fn insert(connection: &mut Connection, id: i32) -> QueryResult<usize> {
    diesel::insert_into(items::table)
        .values((items::id.eq(id), items::name.eq("new")))
        .execute(connection)
        .await
}

async fn ids(pool: &Pool) -> Vec<i32> {
    let mut connection = pool.get().await.unwrap();
    items::table.select(items::id).order(items::id).load(&mut connection).await.unwrap()
}

/// What `AsyncConnection::transaction` does. With that itself and an async closure, rustc 1.95 fails when it compiles a
/// second time (incrementally); an example in the documentation has it.
async fn by_diesel<R>(
    connection: &mut Connection,
    body: impl AsyncFnOnce(&mut Connection) -> QueryResult<R>,
) -> QueryResult<R> {
    Transactions::begin_transaction(connection).await?;
    match body(connection).await {
        Ok(kept) => Transactions::commit_transaction(connection).await.map(|()| kept),
        Err(error) => {
            Transactions::rollback_transaction(connection).await?;
            Err(error)
        }
    }
}

#[tokio::test]
async fn what_a_transaction_did_is_kept_or_undone_and_so_is_what_is_within_it() {
    let database = with_items().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let kept = connection.transaction(async |outer| {
        insert(outer, 1).await?;
        let undone = outer.transaction(async |inner| {
            insert(inner, 2).await?;
            insert(inner, 1).await
        });
        assert!(undone.await.is_err());
        outer.transaction(async |inner| insert(inner, 3).await).await?;
        insert(outer, 4).await
    });
    assert_eq!(kept.await, Ok(1));
    let undone = connection.transaction(async |connection| {
        insert(connection, 5).await?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert_eq!(undone.await, Err(Error::RollbackTransaction));
    drop(connection);
    assert_eq!(ids(&pool).await, [1, 3, 4]);
}

#[tokio::test]
async fn what_a_body_began_and_never_ended_is_kept_with_its_transaction() {
    let database = with_items().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let kept = connection.transaction(async |outer| {
        insert(outer, 1).await?;
        Transactions::begin_transaction(outer).await?;
        insert(outer, 2).await
    });
    assert_eq!(kept.await, Ok(1));
    drop(connection);
    assert_eq!(ids(&pool).await, [1, 2]);
}

#[tokio::test]
async fn a_transaction_begins_in_its_manner() {
    let database = with_items().await;
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    let builder = connection.build_transaction().read_only(true);
    let level = builder.isolation_level(tokio_postgres::IsolationLevel::Serializable).run(async |connection| {
        let level = diesel::dsl::sql::<diesel::sql_types::Text>("current_setting('transaction_isolation')");
        let level = diesel::select(level).get_result::<String>(connection).await?;
        assert!(matches!(insert(connection, 1).await, Err(Error::DatabaseError(..))));
        Err::<(), _>(Error::DeserializationError(level.into()))
    });
    assert_eq!(level.await.unwrap_err().to_string(), "serializable");
}

/// Whether by our own method or by diesel's.
#[tokio::test]
async fn the_commit_of_a_transaction_in_which_something_failed_is_an_error() {
    async fn swallow<C: AsyncConnection<Backend = diesel::pg::Pg>>(connection: &mut C) -> QueryResult<()> {
        let values = (items::id.eq(1), items::name.eq("new"));
        diesel::insert_into(items::table).values(values).execute(connection).await?;
        let _ = diesel::sql_query("SELECT 1/0").execute(connection).await;
        Ok(())
    }
    let database = with_items().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let ours = connection.transaction(async |connection| swallow(connection).await).await;
    let theirs = by_diesel(&mut connection, async |connection| swallow(connection).await).await;
    let nested = connection.transaction(async |connection| {
        let inner = connection.transaction(async |connection| swallow(connection).await).await;
        assert!(matches!(find(&inner.unwrap_err()), Some(OurError::RolledBack)));
        insert(connection, 2).await.map(drop)
    });
    assert_eq!(nested.await, Ok(()));
    for error in [ours.unwrap_err(), theirs.unwrap_err()] {
        let found = find(&error);
        assert!(matches!(found, Some(OurError::RolledBack)), "{error:?}");
        assert_eq!(found.map(deadline_sql::Error::outcome), Some(Outcome::RolledBack));
    }
    drop(connection);
    assert_eq!(ids(&pool).await, [2]);
}

/// Somebody has locked a row in a transaction, and works on in it.
async fn lock(connection: &mut Connection) -> QueryResult<()> {
    connection
        .transaction(async |connection| {
            diesel::update(items::table).set(items::name.eq("locked")).execute(connection).await?;
            run(connection, FOREVER).await.map(drop)
        })
        .await
}

/// How long somebody else waits for the row after its holder has ended.
async fn freed<T>(
    database: &Database,
    watcher: &Watcher,
    active: usize,
    holder: impl Future<Output = T>,
) -> (T, Duration) {
    let other = database.connect().await;
    let ended = async { (holder.await, now()) };
    let had = async {
        while watcher.active().await < active || (active == 0 && watcher.idle_in_transaction().await == 0) {
            tokio::time::sleep(5 * MS).await;
        }
        // It may still be at the statement before.
        tokio::time::sleep(100 * MS).await;
        other.batch_execute("UPDATE items SET name = 'free'").await.unwrap();
        now()
    };
    let ((ended, at), had) = soon("the row", async { tokio::join!(ended, had) }).await;
    (ended, had.saturating_duration_since(at))
}

async fn scene() -> (Database, Watcher, Pool) {
    let database = with_items().await;
    database.connect().await.batch_execute("INSERT INTO items VALUES (1, 'one')").await.unwrap();
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    (database, watcher, pool)
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_at_once() {
    let (database, watcher, pool) = scene().await;
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let before = pid(&mut connection).await;
    // The connection is kept, and used again.
    let dropped = tokio::time::timeout(800 * MS, lock(&mut connection));
    let (dropped, took) = freed(&database, &watcher, 1, dropped).await;
    assert!(dropped.is_err() && took <= PROMPT, "{took:?}");
    assert_eq!(connection.transaction(async |connection| insert(connection, 2).await).await, Ok(1));
    // Between two statements.
    let idle = connection.transaction(async |connection| {
        diesel::update(items::table).set(items::name.eq("locked")).execute(connection).await?;
        std::future::pending::<QueryResult<()>>().await
    });
    let (dropped, took) = freed(&database, &watcher, 0, tokio::time::timeout(800 * MS, idle)).await;
    assert!(dropped.is_err() && took <= PROMPT, "{took:?}");
    assert_eq!(pid(&mut connection).await, before);
    drop(connection);
    // With its connection, in a task of its own.
    let held = pool.clone();
    let holder = tokio::spawn(async move { lock(&mut held.get_before(within(60_000)).await.unwrap()).await });
    let aborted = async {
        tokio::time::sleep(800 * MS).await;
        holder.abort();
    };
    let ((), took) = freed(&database, &watcher, 1, aborted).await;
    assert!(took <= PROMPT, "{took:?}");
    assert_eq!(pid(&mut pool.get().await.unwrap()).await, before);
    assert_eq!(ids(&pool).await, [1, 2]);
}

#[tokio::test]
async fn a_transaction_of_diesels_own_ends_with_its_connection() {
    let (database, watcher, pool) = scene().await;
    let holder = async {
        let mut connection = pool.get_before(within(60_000)).await.unwrap();
        let lock = by_diesel(&mut connection, async |connection| {
            diesel::update(items::table).set(items::name.eq("locked")).execute(connection).await?;
            run(connection, FOREVER).await
        });
        tokio::time::timeout(800 * MS, lock).await
    };
    let (dropped, took) = freed(&database, &watcher, 1, holder).await;
    assert!(dropped.is_err() && took <= PROMPT, "{took:?}");
    watcher.until_idle(PROMPT).await;
}

#[tokio::test]
async fn a_deadline_in_a_transaction_frees_its_rows_and_is_told() {
    let (database, watcher, pool) = scene().await;
    let holder = async { lock(&mut pool.get_before(within(800)).await.unwrap()).await.unwrap_err() };
    let (error, took) = freed(&database, &watcher, 1, holder).await;
    assert!(matches!(said(&error), Some((Stage::Database, ..))), "{error:?}");
    assert!(took <= PROMPT, "{took:?}");
    watcher.until_idle(PROMPT).await;
}

/// Dropped at any point, also before and while it begins.
#[tokio::test]
async fn no_beginning_that_is_dropped_leaves_a_transaction() {
    let (_, watcher, pool) = scene().await;
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let before = pid(&mut connection).await;
    for micros in (0..4_000).step_by(100) {
        let end = now() + Duration::from_micros(micros);
        let spin = async {
            while now() < end {
                tokio::task::yield_now().await;
            }
        };
        let mut dropped = Box::pin(connection.transaction(async |connection| insert(connection, 2).await));
        tokio::select! {
            biased;
            _ = &mut dropped => {}
            () = spin => {}
        }
        drop(dropped);
        let _ = run(&mut connection, "DELETE FROM items WHERE id = 2").await.unwrap();
    }
    watcher.until_idle(PROMPT).await;
    assert_eq!(pid(&mut connection).await, before);
    drop(connection);
    assert_eq!(ids(&pool).await, [1]);
}

#[tokio::test]
async fn a_commit_that_is_not_answered_in_time_may_have_been_done() {
    let (database, watcher, pool) = scene().await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()";
    database.connect().await.batch_execute(slow).await.unwrap();
    let deadline: Deadline = within(400);
    let mut connection = pool.get_before(deadline).await.unwrap();
    let error = connection.transaction(async |connection| insert(connection, 2).await).await.unwrap_err();
    assert_eq!(said(&error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
    watcher.until_idle(deadline.instant().saturating_duration_since(now()) + PROMPT).await;
    drop(connection);
    assert_eq!(ids(&pool).await, [1]);
}
