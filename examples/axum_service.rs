//! An axum service that keeps its clients' deadlines.
//!
//! ```text
//! cargo run -p deadline-examples --example axum_service
//! curl -i -H 'X-Request-Timeout: 300ms' http://127.0.0.1:3000/
//! curl -i -H 'X-Request-Timeout: 300ms' http://127.0.0.1:3000/slow
//! ```

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::net::TcpListener;
use tower_deadline::axum::{Failure, RequestDeadline};
use tower_deadline::{BoxError, DeadlineLayer, Policy, now};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Three seconds for who asks for nothing, up to a minute for who asks.
    let policy = Policy::new().default_timeout(Duration::from_secs(3)).max(Duration::from_secs(60));
    let app = Router::new()
        .route("/", get(left))
        .route("/slow", get(slow))
        .route("/count", post(count))
        .layer(DeadlineLayer::new(policy).hop("orders"));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// A handler may look at its deadline.
async fn left(RequestDeadline(deadline): RequestDeadline) -> String {
    format!("{} ms of {} ms left\n", deadline.remaining(now()).as_millis(), deadline.budget().as_millis())
}

/// It need not: this one is dropped at its deadline, and the client gets a 504 that says so.
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(5)).await;
    "done after five seconds\n"
}

/// Reading the request body ends at the deadline too. `Failure` takes any error by `?`.
async fn count(text: Bytes) -> Result<String, Failure> {
    let words = std::str::from_utf8(&text)?.split_whitespace().count();
    Ok(format!("{words} words\n"))
}
