//! What a deadline costs in round trips: none, but for what a pooler makes necessary.

use deadline_sql::deadpool_postgres::{Connection, Pool, Pooler};
use deadpool_postgres::{Manager, ManagerConfig};
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;
use tower_deadline::{Deadline, now};

use super::support::{Database, Relay};
use crate::support::{MS, SLACK};

const PREPARED: &str = "SELECT 1";
const PARAMETER: &str = "SELECT $1::int4";

/// Half of what a round trip takes.
const AWAY: std::time::Duration = std::time::Duration::from_millis(2);

/// How many round trips this takes.
async fn flights<T>(relay: &Relay, call: impl Future<Output = T>) -> (usize, T) {
    let before = relay.flights();
    let answer = call.await;
    (relay.flights() - before, answer)
}

/// Of the raw driver: prepared, not prepared, typed, a transaction of one statement.
async fn raw(database: &Database, relay: &Relay) -> [usize; 4] {
    let manager = Manager::from_config(database.config(), NoTls, ManagerConfig::default());
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let prepared = client.prepare(PREPARED).await.unwrap();
    let (first, row) = flights(relay, client.query_one(&prepared, &[])).await;
    row.unwrap();
    let (second, row) = flights(relay, client.query_one(PARAMETER, &[&1_i32])).await;
    row.unwrap();
    let (third, rows) = flights(relay, client.query_typed(PREPARED, &[])).await;
    rows.unwrap();
    let transaction = async {
        let transaction = client.transaction().await?;
        transaction.query_one(&prepared, &[]).await?;
        transaction.commit().await
    };
    let (fourth, committed) = flights(relay, transaction).await;
    committed.unwrap();
    [first, second, third, fourth]
}

/// Of ours, the same.
async fn ours(connection: &mut Connection, relay: &Relay) -> [usize; 4] {
    let prepared = connection.prepare(PREPARED).await.unwrap();
    let (first, row) = flights(relay, connection.query_one(&prepared, &[])).await;
    row.unwrap();
    let (second, row) = flights(relay, connection.query_one(PARAMETER, &[&1_i32])).await;
    row.unwrap();
    let (third, rows) = flights(relay, connection.query_typed(PREPARED, &[])).await;
    rows.unwrap();
    let transaction = async {
        let mut transaction = connection.transaction().await?;
        transaction.query_one(&prepared, &[]).await?;
        transaction.commit().await
    };
    let (fourth, committed) = flights(relay, transaction).await;
    committed.unwrap();
    [first, second, third, fourth]
}

#[tokio::test]
async fn a_deadline_costs_no_round_trip_and_a_pooler_one() {
    let database = Database::new().await;
    let relay = Relay::delaying(database.address, AWAY).await;
    let database = database.by_way_of(relay.address);
    let pool = |pooler| Pool::builder(database.config(), NoTls).max_size(2).pooler(pooler).build().unwrap();
    let (direct, lent) = (pool(Pooler::None), pool(Pooler::Transaction));
    let far = Deadline::after(now(), 10 * SLACK);
    let naked = raw(&database, &relay).await;
    assert_eq!(naked, [1, 2, 1, 3]);
    assert_eq!(ours(&mut direct.get_before(far).await.unwrap(), &relay).await, naked);
    assert_eq!(ours(&mut direct.get().await.unwrap(), &relay).await, naked);
    // To end the transaction around each statement; those within one of their own are as before.
    assert_eq!(ours(&mut lent.get_before(far).await.unwrap(), &relay).await, [2, 3, 2, 3]);
    assert_eq!(ours(&mut lent.get().await.unwrap(), &relay).await, naked);
}

#[tokio::test]
async fn a_statement_that_was_prepared_before_is_not_asked_for_again() {
    let database = Database::new().await;
    let relay = Relay::delaying(database.address, AWAY).await;
    let database = database.by_way_of(relay.address);
    for pooler in [Pooler::None, Pooler::Transaction] {
        let pool = Pool::builder(database.config(), NoTls).max_size(1).pooler(pooler).build().unwrap();
        let far = Deadline::after(now(), 10 * SLACK);
        let first = pool.get_before(far).await.unwrap().prepare_cached(PARAMETER).await.unwrap();
        let mut connection = pool.get_before(far).await.unwrap();
        let (none, second) = flights(&relay, connection.prepare_cached(PARAMETER)).await;
        assert_eq!((none, second.unwrap().params()), (0, first.params()));
        let (some, third) = flights(&relay, connection.prepare_typed_cached(PARAMETER, &[Type::INT4])).await;
        assert!(some > 0 && third.is_ok(), "its types are others");
        let failed = connection.prepare_cached("SELECT no_such_column").await;
        assert!(failed.is_err() && connection.prepare_cached("SELECT no_such_column").await.is_err());
    }
}

#[tokio::test]
async fn a_pool_asks_a_connection_nothing_before_it_is_given_out() {
    let database = Database::new().await;
    let relay = Relay::delaying(database.address, AWAY).await;
    let pool = Pool::builder(database.by_way_of(relay.address).config(), NoTls).max_size(1).build().unwrap();
    drop(pool.get().await.unwrap());
    let before = relay.flights();
    for _ in 0..3 {
        let mut connection = pool.get_before(Deadline::after(now(), 10 * SLACK)).await.unwrap();
        connection.query_typed(PREPARED, &[]).await.unwrap();
    }
    tokio::time::sleep(10 * MS).await;
    assert_eq!(relay.flights() - before, 3);
}
