//! Two axum services in a chain, with reqwest in between: what is left travels from hop to hop.
//!
//! ```text
//! cargo run -p deadline-examples --example axum_to_reqwest
//! ```

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Redirect;
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Request};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_deadline::axum::Failure;
use tower_deadline::reqwest::{PropagateReqwest, WithDeadline};
use tower_deadline::{BoxError, Deadline, DeadlineLayer, Exceeded, Policy, PropagateLayer, now};

/// What the service in the middle needs to call the next one.
#[derive(Clone)]
struct Payments {
    client: PropagateReqwest,
    address: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = PropagateLayer::new().reqwest().connect_timeout(Duration::from_millis(100));
    let client = client.build(Client::builder().no_proxy())?;
    let payments = Payments { client: client.clone(), address: serve_payments().await? };
    let orders = serve_orders(payments).await?;

    // A customer who waits for 300 ms, and no longer.
    for path in ["/order/charge", "/order/stuck"] {
        let request = Request::new(Method::GET, format!("http://{orders}{path}").parse()?);
        let deadline = Deadline::after(now(), Duration::from_millis(300));
        let answer = client.execute(WithDeadline::new(request, deadline)).await?;
        println!("customer got {} from {path}: {}", answer.status(), answer.text().await?);
    }
    Ok(())
}

/// The service in the middle keeps 60 ms for itself: to hear that the next one stopped, and to answer for it.
async fn serve_orders(payments: Payments) -> Result<SocketAddr, BoxError> {
    let policy = Policy::new().reserve(Duration::from_millis(60));
    let app = Router::new()
        .route("/order/{how}", get(order))
        .layer(DeadlineLayer::new(policy).hop("orders"))
        .with_state(payments);
    serve(app).await
}

/// Nothing here speaks of a deadline, but for the last lines: the next hop may have stopped at ours.
async fn order(
    State(Payments { client, address }): State<Payments>,
    Path(how): Path<String>,
    headers: HeaderMap,
) -> Result<String, Failure> {
    println!("orders was told {}", told(&headers));
    let request = Request::new(Method::GET, format!("http://{address}/{how}").parse()?);
    let charged = client.execute(request).await?;
    if let Some(exceeded) = charged.extensions().get::<Exceeded>() {
        return Err(exceeded.clone().into());
    }
    Ok(charged.error_for_status()?.text().await?)
}

/// The last service has moved: who asks at the old place is sent on, and has less time left there.
async fn serve_payments() -> Result<SocketAddr, BoxError> {
    let moved = async |headers: HeaderMap| {
        println!("payments was told {}", told(&headers));
        sleep(Duration::from_millis(50)).await;
        Redirect::temporary("/v2/charge")
    };
    let charge = async |headers: HeaderMap| {
        println!("payments was told {} after the redirect", told(&headers));
        (StatusCode::OK, "charged")
    };
    let stuck = async |headers: HeaderMap| {
        println!("payments was told {}", told(&headers));
        pending::<()>().await;
    };
    let app = Router::new()
        .route("/charge", get(moved))
        .route("/v2/charge", get(charge))
        .route("/stuck", get(stuck))
        .layer(DeadlineLayer::new(Policy::new()).hop("payments"));
    serve(app).await
}

fn told(headers: &HeaderMap) -> &str {
    headers.get("x-request-timeout").and_then(|value| value.to_str().ok()).unwrap_or("nothing")
}

async fn serve(app: Router) -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}
