//! What the other tests rely on.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;

use super::{Database, Newcomers, PgBouncer, Relay, own_server, server};
use crate::support::{MS, Stopwatch, eventually, soon};
use deadline_sql::throwaway::Server;

#[tokio::test]
async fn the_watcher_sees_what_one_database_does_and_nothing_else() {
    let (database, other) = (Database::new().await, Database::new().await);
    let (watcher, elsewhere) = (database.watcher().await, other.watcher().await);
    assert_eq!((watcher.backends().await, elsewhere.backends().await), (0, 0));
    let mut config = database.config();
    let client = super::connect(config.application_name("named")).await;
    let idler = database.connect().await;
    assert_eq!((watcher.backends().await, watcher.active().await, elsewhere.backends().await), (2, 0, 0));
    idler.batch_execute("BEGIN").await.unwrap();
    assert_eq!((watcher.idle_in_transaction().await, watcher.active().await), (1, 0));

    let sleeping = async { client.batch_execute("SELECT pg_sleep(20)").await.unwrap_err() };
    let watching = async {
        watcher.until_active(1).await;
        idler.batch_execute("ROLLBACK").await.unwrap();
        let named = database.watcher().await.only("named");
        let pids = named.pids().await;
        assert_eq!((named.active().await, pids.len()), (1, 1));
        assert_eq!(database.watcher().await.only("nobody").backends().await, 0);
        let pid = pids.first().expect("one");
        watcher.client.execute("SELECT pg_cancel_backend($1)", &[pid]).await.unwrap();
        watcher.until_idle(Duration::from_secs(5)).await
    };
    let (error, took) = tokio::join!(sleeping, watching);
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert!(took < Duration::from_secs(5));
}

#[tokio::test]
#[should_panic(expected = "pg_sleep(20)")]
async fn the_watcher_tells_who_does_not_come_to_rest() {
    let database = Database::new().await;
    let (watcher, client) = (database.watcher().await, database.connect().await);
    tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(20)").await });
    watcher.until_active(1).await;
    watcher.until_idle(30 * MS).await;
}

#[tokio::test]
async fn the_relay_counts_what_waits_for_an_answer_and_delays_both_ways() {
    let database = Database::new().await;
    let relay = Relay::delaying(database.address, 20 * MS).await;
    let client = database.by_way_of(relay.address).connect().await;
    let before = relay.flights();
    let start = Stopwatch::start();
    client.batch_execute("SELECT 1").await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
    start.assert_due(80 * MS);
    assert_eq!(relay.flights() - before, 2);
    // At once: one flight, and what is prepared for it another.
    let pair = async { tokio::join!(client.batch_execute("SELECT 1"), client.batch_execute("SELECT 2")) };
    let (one, two) = pair.await;
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(relay.flights() - before, 3);
    client.query("SELECT $1::int4", &[&1_i32]).await.unwrap();
    assert_eq!(relay.flights() - before, 5);
    assert_eq!(relay.accepted(), 1);
}

#[tokio::test]
async fn the_relay_ignores_and_resets_newcomers_and_spares_who_is_there() {
    let database = Database::new().await;
    let relay = Relay::to(database.address).await;
    let client = database.by_way_of(relay.address).connect().await;
    relay.newcomers(Newcomers::Ignored);
    let mut ignored = TcpStream::connect(relay.address).await.unwrap();
    let nothing = tokio::time::timeout(100 * MS, ignored.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    relay.newcomers(Newcomers::Reset);
    let reset = database.by_way_of(relay.address).config().connect(tokio_postgres::NoTls).await;
    assert!(reset.is_err());
    client.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(relay.accepted(), 3);
}

#[tokio::test]
async fn the_relay_holds_back_and_cuts() {
    let database = Database::new().await;
    let watcher = database.watcher().await;
    let relay = Relay::to(database.address).await;
    let client = database.by_way_of(relay.address).connect().await;
    relay.freeze(true);
    let mut asking = Box::pin(client.batch_execute("SELECT 1"));
    assert!(tokio::time::timeout(100 * MS, &mut asking).await.is_err());
    relay.freeze(false);
    soon("an answer", asking).await.unwrap();
    relay.cut();
    eventually("the client sees it", || client.is_closed()).await;
    let gone = async {
        while watcher.backends().await > 0 {
            tokio::time::sleep(5 * MS).await;
        }
    };
    soon("the server sees it", gone).await;
}

#[tokio::test]
async fn a_server_of_its_own_is_another() {
    let own = own_server(Server::builder());
    let database = Database::on(&own).await;
    assert_ne!(own.port(), server().port());
    let row = database.connect().await.query_one("SELECT current_database()", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), database.name);
}

#[tokio::test]
async fn a_pooler_gives_a_connection_of_the_server_for_one_transaction() {
    let database = Database::new().await;
    let Some(pgbouncer) = PgBouncer::in_front_of(server(), 1).await else { return };
    let (pooled, watcher) = (pgbouncer.way_to(&database), database.watcher().await);
    let (first, second) = (pooled.connect().await, pooled.connect().await);
    let pid = async |client: &tokio_postgres::Client| {
        let messages = client.simple_query("SELECT pg_backend_pid()").await.unwrap();
        let pid = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        pid.expect("a row")
    };
    assert_eq!(pid(&first).await, pid(&second).await);
    assert_eq!(watcher.backends().await, 1);
    first.batch_execute("BEGIN").await.unwrap();
    let mut waiting = Box::pin(pid(&second));
    assert!(tokio::time::timeout(100 * MS, &mut waiting).await.is_err());
    first.batch_execute("COMMIT").await.unwrap();
    soon("the other's turn", waiting).await;
    assert!(pgbouncer.is_up().await && pgbouncer.version >= [1, 0, 0] && pgbouncer.id() > 0);
}
