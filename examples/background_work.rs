//! Work beside a request: `spawn` ends with the request, `detach` outlives it with a budget of its own.
//!
//! ```text
//! cargo run -p deadline-examples --example background_work
//! ```

use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tower::ServiceExt;
use tower_deadline::{BoxError, DeadlineLayer, Policy, detach, remaining, spawn};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (tell, mut told) = mpsc::unbounded_channel::<String>();
    let handler = move || {
        let tell = tell.clone();
        async move { order(&tell) }
    };
    let policy = Policy::new().default_timeout(Duration::from_millis(200));
    let app: Router = Router::new().route("/", get(handler)).layer(DeadlineLayer::new(policy));

    let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
    println!("answered: {}", response.status());
    axum::body::to_bytes(response.into_body(), 1_000).await?;
    while let Some(line) = told.recv().await {
        println!("{line}");
    }
    Ok(())
}

fn order(tell: &mpsc::UnboundedSender<String>) -> &'static str {
    // Recommendations are of no use once the client has its answer.
    let recommendations = spawn(pending::<()>());
    let channel = tell.clone();
    tokio::spawn(async move {
        let outcome = recommendations.await;
        channel.send(format!("spawned: {:?}", outcome.map(|ended| ended.map_err(|ended| ended.to_string()))))
    });

    // The receipt is to be written whatever becomes of the client, within a second.
    let channel = tell.clone();
    detach(Duration::from_secs(1), async move {
        sleep(Duration::from_millis(300)).await;
        let left = remaining().map_or(0, |left| left.as_millis() / 100 * 100);
        channel.send(format!("detached: done after the request, about {left} ms left of its own budget"))
    });
    "ordered\n"
}
