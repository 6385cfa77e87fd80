//! sea-orm: statements and transactions end with their request, and a pool of sea-orm's own is spared what others leave.

use std::time::Duration;

use deadline_sql::sea_orm::{Database as Guarded, Error, Transaction, interrupted};
use deadline_sql::sqlx::{Pool, recommended};
use deadline_sql::{DriverError, Outcome};
use futures_util::FutureExt;
use http_deadline::{Deadline, Exceeded};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, IsolationLevel, Statement,
    TransactionTrait,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::{sleep, timeout, timeout_at};
use tower_deadline::now;

use super::storm::{POOL, Ran, Storm, Subject};
use super::support::Database;
use crate::support::{Chance, MS, Stopwatch};

/// How soon a backend has to be idle after its statement was given up.
const REST: Duration = Duration::from_millis(250);

fn guarded(database: &Database, size: u32) -> Guarded {
    let options: PgConnectOptions = database.url().parse().expect("a URL of ours");
    Guarded::new(Pool::new(recommended(PgPoolOptions::new().max_connections(size)).connect_lazy_with(options)))
}

/// sea-orm's own, with our options in its pool or without.
async fn theirs(database: &Database, size: u32, is_recommended: bool) -> DatabaseConnection {
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(size).sqlx_logging(false);
    if is_recommended {
        options.map_sqlx_postgres_pool_opts(recommended);
    }
    sea_orm::Database::connect(options).await.expect("the server takes connections")
}

fn within(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
}

async fn table(database: &Database) {
    let client = database.connect().await;
    client
        .batch_execute("CREATE TABLE seen (id int PRIMARY KEY, v int); INSERT INTO seen VALUES (1, 1)")
        .await
        .unwrap();
}

async fn value(database: &Database) -> i32 {
    database.connect().await.query_one("SELECT v FROM seen", &[]).await.unwrap().get(0)
}

async fn set(connection: &impl ConnectionTrait, to: i32) -> Result<(), DbErr> {
    let update = Query::update().table(Alias::new("seen")).value(Alias::new("v"), to).to_owned();
    connection.execute(&update).await.map(|_| ())
}

async fn seen(connection: &impl ConnectionTrait) -> i32 {
    let select = Query::select()
        .column(Alias::new("v"))
        .from(Alias::new("seen"))
        .and_where(Expr::col(Alias::new("id")).eq(1))
        .to_owned();
    connection.query_one(&select).await.unwrap().unwrap().try_get("", "v").unwrap()
}

#[tokio::test]
async fn statements_of_sea_orm_run_and_end_at_the_deadline() {
    let database = Database::new().await;
    table(&database).await;
    let (guarded, watcher) = (guarded(&database, 1), database.watcher().await);
    set(&guarded, 7).await.unwrap();
    assert_eq!(seen(&guarded).await, 7);
    let all = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT generate_series(1, $1)", [3.into()]);
    assert_eq!(guarded.query_all_raw(all).await.unwrap().len(), 3);
    let none = guarded.query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT 1 WHERE false")).await;
    assert!(none.unwrap().is_none());
    let start = Stopwatch::start();
    let error = guarded.before(within(200)).execute_unprepared("SELECT pg_sleep(5)").await.unwrap_err();
    start.assert_due(198 * MS);
    assert!(interrupted(&error).is_some(), "{error:?}");
    let error = Error::from(error);
    assert!(Exceeded::find(&error).is_some(), "a layer finds it");
    watcher.until_idle(REST).await;
    assert!(timeout(50 * MS, guarded.execute_unprepared("SELECT pg_sleep(5)")).await.is_err());
    watcher.until_idle(REST).await;
    assert_eq!(seen(&guarded).await, 7);
    assert_eq!(guarded.pool().inner().size(), 1);
}

#[tokio::test]
async fn a_transaction_is_kept_where_its_work_is_well_and_else_rolled_back() {
    let database = Database::new().await;
    table(&database).await;
    let guarded = guarded(&database, 1);
    let kept = guarded.transaction(async |transaction: &Transaction| {
        set(transaction, 2).await?;
        // The failure of a savepoint is not that of its transaction.
        let failed = transaction.savepoint(async |transaction| {
            set(transaction, 99).await?;
            transaction.execute_unprepared("SELECT 1 / 0").await?;
            Ok::<_, Error>(())
        });
        assert!(matches!(failed.await, Err(Error::Database(_))));
        let dropped = transaction.savepoint(async |transaction| {
            set(transaction, 98).await?;
            transaction.execute_unprepared("SELECT pg_sleep(5)").await?;
            Ok::<_, Error>(())
        });
        assert!(timeout(30 * MS, dropped).await.is_err());
        let after = transaction.savepoint(async |transaction| Ok::<_, Error>(seen(transaction).await));
        assert_eq!(after.await?, 2);
        Ok::<_, Error>(seen(transaction).await)
    });
    assert_eq!(kept.await.unwrap(), 2);
    assert_eq!(value(&database).await, 2);
    let failed = guarded.transaction(async |transaction| {
        set(transaction, 3).await?;
        Err::<(), _>(Error::from(DbErr::Custom("no".to_owned())))
    });
    assert!(matches!(failed.await, Err(Error::Database(DbErr::Custom(_)))));
    assert_eq!(seen(&guarded).await, 2);
    let swallowed = guarded.transaction(async |transaction| {
        set(transaction, 4).await?;
        assert!(transaction.execute_unprepared("SELECT 1 / 0").await.is_err());
        Ok::<_, Error>(())
    });
    assert!(matches!(swallowed.await, Err(Error::RolledBack)), "sea-orm says Ok");
    assert_eq!(value(&database).await, 2);
    let (level, mode) = (Some(IsolationLevel::Serializable), Some(AccessMode::ReadOnly));
    let reading = guarded.begin_with_config(level, mode).await.unwrap();
    let error = Error::from(set(&reading, 5).await.unwrap_err());
    assert!(matches!(&error, Error::Database(error) if error.sqlstate() == Some("25006")), "{error:?}");
    drop(reading);
    let undone = guarded.begin().await.unwrap();
    set(&undone, 5).await.unwrap();
    undone.rollback().await.unwrap();
    assert_eq!(value(&database).await, 2);
}

#[tokio::test]
async fn a_transaction_that_is_stopped_or_dropped_frees_what_it_locked() {
    let database = Database::new().await;
    table(&database).await;
    let guarded = guarded(&database, 1);
    let other = database.connect().await;
    other.batch_execute("SET statement_timeout = 250").await.unwrap();
    guarded.execute_unprepared("SELECT 1").await.unwrap();
    let work = async |transaction: &Transaction| {
        set(transaction, 5).await?;
        transaction.execute_unprepared("SELECT pg_sleep(5)").await?;
        Ok::<_, Error>(())
    };
    let stopped = guarded.before(within(400)).transaction(work).await.unwrap_err();
    assert!(stopped.interrupted().is_some(), "{stopped:?}");
    other.batch_execute("UPDATE seen SET v = v + 1").await.unwrap();
    assert!(timeout(60 * MS, guarded.transaction(work)).await.is_err());
    other.batch_execute("UPDATE seen SET v = v + 1").await.unwrap();
    assert_eq!(value(&database).await, 3);
}

#[tokio::test]
async fn nobody_knows_what_became_of_a_commit_at_the_deadline() {
    let database = Database::new().await;
    table(&database).await;
    let setup = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'; \
                 CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON seen DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION slow()";
    database.connect().await.batch_execute(setup).await.unwrap();
    let (guarded, watcher) = (guarded(&database, 1), database.watcher().await);
    guarded.execute_unprepared("SELECT 1").await.unwrap();
    let work = async |transaction: &Transaction| Ok::<_, Error>(set(transaction, 5).await?);
    let error = guarded.before(within(400)).transaction(work).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    watcher.until_idle(REST).await;
}

#[tokio::test]
async fn transactions_that_are_dropped_anywhere_leave_nothing_open() {
    let database = Database::new().await;
    table(&database).await;
    let (guarded, watcher) = (guarded(&database, 2), database.watcher().await);
    for round in 0..80 {
        let after = Duration::from_micros(Chance::of(17, round).number() % 8_000);
        let work = guarded.transaction(async |transaction| {
            set(transaction, 99).await?;
            transaction.execute_unprepared("SELECT pg_sleep(0.004)").await?;
            Err::<(), _>(Error::RolledBack)
        });
        assert!(!matches!(timeout(after, work).await, Ok(Ok(()) | Err(Error::Database(_)))), "round {round}");
        let to = i32::try_from(round).unwrap();
        set(&guarded, to).await.unwrap();
        assert_eq!(value(&database).await, to, "round {round}");
    }
    watcher.until_idle(REST).await;
}

/// Whether a write outside of any transaction is there after a `begin` that was dropped as soon as it was sent.
async fn is_kept(database: &Database, connection: DatabaseConnection) -> bool {
    table(database).await;
    set(&connection, 2).await.unwrap();
    sleep(50 * MS).await;
    // Now and then the server answers within the one poll.
    while let Some(begun) = connection.begin().now_or_never() {
        begun.unwrap().rollback().await.unwrap();
        sleep(50 * MS).await;
    }
    sleep(50 * MS).await;
    set(&connection, 10).await.unwrap();
    connection.close().await.unwrap();
    value(database).await == 10
}

#[tokio::test]
async fn a_pool_of_sea_orm_loses_no_writes_where_it_has_our_options() {
    let [naive, recommended] = [Database::new().await, Database::new().await];
    let connection = theirs(&recommended, 1, true).await;
    assert!(is_kept(&recommended, connection).await);
    // The fault of sqlx is still there; it takes the connection at the first poll where it need not be asked first.
    let mut options = ConnectOptions::new(naive.url());
    options.max_connections(1).sqlx_logging(false).test_before_acquire(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    assert!(!is_kept(&naive, connection).await);
}

impl Subject for Guarded {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        let answered = self.before(deadline).execute_unprepared(statement).await;
        match answered {
            Ok(_) => Ran::Answered,
            Err(error) if interrupted(&error).is_some_and(|error| error.outcome() == Outcome::NotStarted) => {
                Ran::Unsent
            }
            Err(_) => Ran::Stopped,
        }
    }
}

struct Naive(DatabaseConnection);

impl Subject for Naive {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        match timeout_at(deadline.instant().into(), self.0.execute_unprepared(statement)).await {
            Ok(Ok(_)) => Ran::Answered,
            _ => Ran::Stopped,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_passes_and_leaves_every_connection_as_it_was() {
    let (database, other) = (Database::new().await, Database::new().await);
    let size = u32::try_from(POOL).unwrap();
    let naive = Naive(theirs(&other, size, false).await);
    let naive = Storm::over("tokio's timeout around sea-orm", &other, naive).await;
    let ours = Storm::over("deadline-sql on sea-orm", &database, guarded(&database, size)).await;
    println!("{naive}\n{ours}");
    ours.assert_weathered();
    // Two are those for cancels.
    assert!(ours.reconnects <= 2 + 4, "{ours}");
    assert!(naive.active[2].1 > 0 && naive.healthy == 0, "without it there is nothing to weather: {naive}");
}
