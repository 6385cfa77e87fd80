//! The end of a service while statements run.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use deadline_sql::Settings;
use deadline_sql::deadpool_postgres::Pool;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;
use tokio_postgres::NoTls;
use tower_deadline::axum::Failure;
use tower_deadline::{DeadlineLayer, Policy};

use super::{Service, until_asleep};
use crate::sql::support::{Database, Newcomers, Relay, Watcher};
use crate::support::{Http1Client, MS, Stopwatch, eventually, soon};

/// Waits until the server has no session of the service any more, and says how long that took.
async fn until_gone(watcher: &Watcher) -> Duration {
    let start = Stopwatch::start();
    let gone = async {
        while watcher.backends().await > 0 {
            sleep(5 * MS).await;
        }
    };
    soon("the end of its sessions", gone).await;
    start.elapsed()
}

#[tokio::test]
async fn told_to_stop_it_answers_who_is_there_and_leaves_no_session() {
    let service = Service::start().await;
    let mut client = Http1Client::connect(service.address).await;
    client.get("/sleep/40", "x-request-timeout: 1s\r\nconnection: close\r\n").await;
    service.until_asleep(1).await;
    service.program.terminate().await;
    assert_eq!(client.answer().await.0.status(), 504);
    let finished = service.program.finish().await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    until_gone(&service.watcher).await;
}

#[tokio::test]
async fn killed_it_leaves_no_statement_running() {
    let service = Service::start().await;
    let mut client = Http1Client::connect(service.address).await;
    client.get("/sleep/40", "x-request-timeout: 30s\r\n").await;
    service.until_asleep(1).await;
    service.program.signal("KILL").await;
    // The server looks at its sockets four times a second.
    let took = until_gone(&service.watcher).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// On a runtime of its own, whose cancels reach nobody: the client leaves, and the runtime ends before the statement.
#[tokio::test]
async fn a_runtime_that_ends_with_a_cleanup_pending_closes_the_connection() {
    let database = Database::new().await;
    let watcher = database.watcher().await;
    let relay = Relay::to(database.address).await;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = database.by_way_of(relay.address).config();
    let patient = Settings::new().cancel_limit(Duration::from_secs(30));
    let (pool, address) = soon(
        "a service",
        runtime.spawn(async move {
            let pool = Pool::builder(config, NoTls).max_size(1).settings(patient).build().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let sleeping = pool.clone();
            let handler = async move || -> Result<(), Failure> {
                sleeping.get().await?.execute("SELECT pg_sleep(40)", &[]).await?;
                Ok(())
            };
            let app = Router::new().route("/", get(handler)).layer(DeadlineLayer::new(Policy::new()));
            tokio::spawn(async move { axum::serve(listener, app).await });
            (pool, address)
        }),
    )
    .await
    .unwrap();
    let mut client = Http1Client::connect(address).await;
    client.get("/", "x-request-timeout: 30s\r\n").await;
    until_asleep(&database, &watcher, 1).await;
    relay.newcomers(Newcomers::Ignored);
    let before = relay.accepted();
    drop(client);
    eventually("a cancel that nobody answers", || relay.accepted() > before).await;
    assert_eq!(watcher.active().await, 1);

    runtime.shutdown_background();
    let took = until_gone(&watcher).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(pool.status().size, 0, "its place is free");
}
