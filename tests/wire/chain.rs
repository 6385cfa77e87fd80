//! Two services in a chain, as the front page shows it: a 504 of the next hop is no receipt (R23).

use std::future::pending;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};
use tower_deadline::axum::Failure;
use tower_deadline::propagate::Propagate;
use tower_deadline::{DeadlineLayer, Exceeded, Policy, PropagateLayer};

use super::serve;
use crate::support::{MS, curl};

type Payments = (Propagate<Client<HttpConnector, Body>>, SocketAddr);

async fn order(State((payments, address)): State<Payments>) -> Result<String, Failure> {
    let request = Request::get(format!("http://{address}/charge")).body(Body::empty())?;
    let receipt = payments.oneshot(request).await?;
    if let Some(exceeded) = receipt.extensions().get::<Exceeded>() {
        return Err(exceeded.clone().into());
    }
    if !receipt.status().is_success() {
        return Err(format!("payments answered {}", receipt.status()).into());
    }
    let receipt = receipt.into_body().collect().await?;
    Ok(format!("charged: {} bytes", receipt.to_bytes().len()))
}

/// What a customer gets of a chain whose second service does this.
async fn ordered(payments: Router) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
    let policy = Policy::new().reserve(100 * MS);
    let orders = Router::new()
        .route("/order", get(order))
        .with_state((client, serve(payments).await))
        .layer(DeadlineLayer::new(policy).hop("orders"));
    let url = format!("http://{}/order", serve(orders).await);
    let answer = curl(&["-H", "X-Request-Timeout: 600ms", &url]).await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn a_next_hop_that_stops_in_time_is_answered_for_and_not_taken_for_a_receipt() {
    let stuck = || Router::new().route("/charge", get(pending::<String>));
    let itself = stuck().layer(DeadlineLayer::new(Policy::new()).hop("payments"));
    // Who tells of its own stop is named; of anybody else, this hop knows that it has waited.
    for (payments, stage, hop) in [(itself, "handler", "payments"), (stuck(), "upstream", "orders")] {
        let (status, text) = ordered(payments).await;
        assert_eq!(status, 504, "{text}");
        let members = [("stage", stage), ("hop", hop)].map(|(key, value)| format!(r#""{key}":"{value}""#));
        assert!(members.iter().all(|member| text.contains(member)), "{text}");
    }
}

#[tokio::test]
async fn a_next_hop_that_fails_is_a_failure_and_one_that_answers_is_a_receipt() {
    let (status, _) = ordered(Router::new()).await;
    assert_eq!(status, 500);
    let charged = Router::new().route("/charge", get(|| async { "receipt" }));
    assert_eq!(ordered(charged).await, (200, "charged: 7 bytes".to_owned()));
}
