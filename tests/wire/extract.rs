//! What an axum handler sees of its deadline, and what becomes of its failures.

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use serde_json::Value;
use tower_deadline::axum::{Failure, RequestDeadline};
use tower_deadline::{Deadline, DeadlineLayer, Policy, current, now, scope};

use super::serve;
use crate::support::{Head, Http1Client, MS};

fn told(deadline: Deadline) -> String {
    assert_eq!(current().map(Deadline::instant), Some(deadline.instant()), "the ambient one is the same");
    assert!(deadline.remaining(now()) <= deadline.budget());
    deadline.budget().as_millis().to_string()
}

/// Fails because a part of its work ran out of time, well before the request does.
async fn impatient() -> Result<&'static str, Failure> {
    let soon = Deadline::after(now(), 50 * MS);
    scope(soon, tokio::time::sleep(Duration::from_secs(60))).await?;
    Ok("done")
}

async fn broken() -> Result<&'static str, Failure> {
    "a secret".parse::<u8>()?;
    Ok("done")
}

fn router() -> Router {
    Router::new()
        .route("/argument", get(|RequestDeadline(deadline): RequestDeadline| async move { told(deadline) }))
        .route(
            "/option",
            get(async |deadline: Option<RequestDeadline>| {
                deadline.map_or("none".to_owned(), |RequestDeadline(deadline)| told(deadline))
            }),
        )
        .route("/extension", get(|Extension(deadline): Extension<Deadline>| async move { told(deadline) }))
        .route("/impatient", get(impatient))
        .route("/broken", get(broken))
}

async fn answer(address: SocketAddr, path: &str, fields: &str) -> (Head, String) {
    let mut client = Http1Client::connect(address).await;
    client.get(path, fields).await;
    client.answer().await
}

#[tokio::test]
async fn a_handler_gets_its_deadline_in_three_ways() {
    let address = serve(router().layer(DeadlineLayer::new(Policy::new()))).await;
    for path in ["/argument", "/option", "/extension"] {
        let (head, body) = answer(address, path, "x-request-timeout: 2s\r\n").await;
        assert_eq!((head.status(), body.as_str()), (200, "2000"), "{path}");
    }
}

#[tokio::test]
async fn a_handler_without_a_deadline_gets_none_or_is_refused() {
    let address = serve(router().layer(DeadlineLayer::new(Policy::new()))).await;
    let (head, body) = answer(address, "/option", "").await;
    assert_eq!((head.status(), body.as_str()), (200, "none"));
    let (head, body) = answer(address, "/argument", "").await;
    assert_eq!(head.status(), 500);
    assert!(body.contains("DeadlineLayer"), "{body}");
}

#[tokio::test]
async fn a_handler_that_ran_out_of_time_is_answered_for_and_one_that_failed_tells_nothing() {
    let address = serve(router().layer(DeadlineLayer::new(Policy::new()).hop("orders"))).await;
    let (head, body) = answer(address, "/impatient", "x-request-timeout: 9s\r\n").await;
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (head.status(), document["budget_ms"].as_u64(), document["hop"].as_str()),
        (504, Some(50), Some("orders"))
    );
    assert_eq!(head.headers["content-type"], "application/problem+json");
    assert_eq!(head.headers["deadline-exceeded"], r#"origin=code, stage=handler, cause=deadline, hop="orders""#);
    let (head, body) = answer(address, "/broken", "x-request-timeout: 9s\r\n").await;
    assert_eq!((head.status(), body.as_str()), (500, ""));
    assert!(!head.headers.contains_key("deadline-exceeded"));
}
