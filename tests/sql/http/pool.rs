//! A request that waits for a connection until its deadline.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use deadline_sql::deadpool_postgres::Pool;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_postgres::NoTls;
use tower_deadline::axum::Failure;
use tower_deadline::{DeadlineLayer, Policy};

use super::{Service, assert_discreet};
use crate::sql::support::Database;
use crate::support::{Http1Client, MS, Proxy, assert_due, curl};

const TRAIL: &str = r#"origin=header, stage=pool, cause=deadline, hop="orders""#;

async fn one(State(pool): State<Pool>) -> Result<(), Failure> {
    pool.get().await?.execute("SELECT 1", &[]).await?;
    Ok(())
}

async fn serve(pool: Pool, policy: Policy) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", get(one)).layer(DeadlineLayer::new(policy).hop("orders")).with_state(pool);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn is_told_504_or_what_the_policy_says() {
    let database = Database::new().await;
    let pool = Pool::builder(database.config(), NoTls).max_size(1).build().unwrap();
    let mut holder = pool.get().await.unwrap();
    // Less than is asked for, so that whoever stands in front hears of it in time.
    let policy = Policy::new().max(300 * MS);
    let overloaded = policy.clone().pool_status(StatusCode::SERVICE_UNAVAILABLE);
    for (policy, status) in [(policy, 504), (overloaded, 503)] {
        let direct = serve(pool.clone(), policy).await;
        let proxy = Proxy::to(direct).await;
        for address in [direct, proxy.address] {
            let url = format!("http://{address}/");
            let waited = curl(&["-H", "X-Request-Timeout: 5s", &url]).await;
            assert_eq!((waited.exit, waited.status), (Some(0), status), "{}", waited.text());
            assert_eq!(waited.headers.get("retry-after").is_some(), status == 503, "{:?}", waited.headers);
            assert_eq!(waited.field("deadline-exceeded"), r#"origin=policy, stage=pool, cause=deadline, hop="orders""#);
            assert_due(waited.took, 300 * MS);
            assert_discreet(&waited, holder.backend().map(u32::cast_signed));
        }
    }
    // Who waited in vain has taken nothing with them.
    holder.execute("SELECT 1", &[]).await.unwrap();
    drop(holder);
    let address = serve(pool.clone(), Policy::new()).await;
    assert_eq!(curl(&[&format!("http://{address}/")]).await.status, 200);
    assert_eq!((pool.status().size, pool.status().waiting), (1, 0));
}

#[tokio::test]
async fn of_the_example_is_told_that_there_are_too_many() {
    let service = Service::start().await;
    let mut holders = Vec::new();
    for _ in 0..8 {
        let mut holder = Http1Client::connect(service.address).await;
        holder.get("/sleep/40", "x-request-timeout: 30s\r\n").await;
        holders.push(holder);
    }
    service.until_asleep(8).await;
    let url = format!("http://{}/sleep/0", service.address);
    let waited = curl(&["-H", "X-Request-Timeout: 300ms", &url]).await;
    assert_eq!((waited.status, waited.field("deadline-exceeded")), (503, TRAIL));
    assert_eq!(waited.field("retry-after"), "1");
    assert_due(waited.took, 300 * MS);
    assert_discreet(&waited, service.watcher.pids().await);
    drop(holders);
    assert_eq!(curl(&[&url]).await.status, 200, "they left, and made room");
}
