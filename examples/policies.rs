//! Policies by route, from a file: a strict one, a long one, one that is only observed, and what an error in the
//! file looks like.
//!
//! ```text
//! cargo run -p deadline-examples --example policies
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_deadline::axum::RequestDeadline;
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
use tower_deadline::{BoxError, DeadlineLayer, Dialect, Journey, PolicySet};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies.toml");

/// Three slips in one file: all of them are told, each with its place.
const SLIPS: &str = r#"[policy.default]
timeout = "3"
reserved = "50ms"

[route]
"/reports/{id}" = "report"
"#;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = serve(PolicySet::read(FILE)?).await?;
    for (path, timeout) in [
        ("/payments/7", None),
        ("/reports/7", None),
        ("/reports/7", Some("400s")),
        ("/reports/7", Some("900s")),
        ("/search", None),
        ("/elsewhere", None),
    ] {
        println!("{path}, asking for {}: {}", timeout.unwrap_or("nothing"), ask(server, path, timeout).await?);
    }
    if let Err(error) = PolicySet::from_toml(SLIPS) {
        println!("{error}");
    }
    Ok(())
}

/// Every handler takes longer than a payment may. (Every policy here has a timeout: without one, a request that asks for
/// none has no `Journey` in its extensions.)
async fn work(Extension(journey): Extension<Journey>, RequestDeadline(deadline): RequestDeadline) -> String {
    sleep(Duration::from_millis(150)).await;
    format!("policy {}, {:?} granted by {}", journey.policy().name(), deadline.budget(), deadline.origin())
}

async fn serve(set: PolicySet) -> Result<SocketAddr, BoxError> {
    let app = Router::new()
        .route("/payments/{id}", get(work))
        .route("/reports/{id}", get(work))
        .route("/search", get(work))
        .route("/elsewhere", get(work))
        .layer(DeadlineLayer::by_matched_path(set).hop("shop"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// The status, and what the handler says, or why it was stopped.
async fn ask(server: SocketAddr, path: &str, timeout: Option<&str>) -> Result<String, BoxError> {
    let mut request = Request::get(format!("http://{server}{path}"));
    if let Some(timeout) = timeout {
        request = request.header(Dialect::XRequestTimeout.as_str(), timeout);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.request(request.body(Empty::new())?).await?;
    let status = response.status();
    if let Some(why) = response.headers().get(&DEADLINE_EXCEEDED) {
        return Ok(format!("{status}, {}", why.to_str()?));
    }
    let text = response.into_body().collect().await?.to_bytes();
    Ok(format!("{status}, {}", String::from_utf8_lossy(&text)))
}
