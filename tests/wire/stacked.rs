//! Layers within layers resolve to the sooner (R1), and only one of them answers.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use deadline_testkit::{ScriptedBody, Step};
use h2::Reason;
use http::{Request, Response};
use serde_json::{Value, json};
use tower_deadline::axum::RequestDeadline;
use tower_deadline::{DeadlineLayer, Policy};

use super::serve;
use crate::support::{End, H2Client, Http1Client, MS, Stopwatch};

/// Two layers, each with a default of its own.
async fn stacked(outer: Duration, inner: Duration) -> SocketAddr {
    let layer = |default, hop| DeadlineLayer::new(Policy::new().named(hop).default_timeout(default)).hop(hop);
    let stops = || async { Response::new(Body::new(ScriptedBody::new([Step::Data("first"), Step::Stall]))) };
    let budget = |RequestDeadline(deadline): RequestDeadline| async move { deadline.budget().as_millis().to_string() };
    let router = Router::new().route("/never", get(pending::<()>)).route("/stops", get(stops));
    serve(router.route("/budget", get(budget)).layer(layer(inner, "inner")).layer(layer(outer, "outer"))).await
}

async fn answer(address: SocketAddr, path: &str, fields: &str) -> (u16, String) {
    let mut client = Http1Client::connect(address).await;
    client.get(path, fields).await;
    let (head, body) = client.answer().await;
    (head.status(), body)
}

#[tokio::test]
async fn the_sooner_of_two_defaults_binds() {
    for (outer, inner, hop) in [(300, 5_000, "outer"), (5_000, 300, "inner")] {
        let address = stacked(outer * MS, inner * MS).await;
        let clock = Stopwatch::start();
        let (status, body) = answer(address, "/never", "").await;
        clock.assert_due(300 * MS);
        let document: Value = serde_json::from_str(&body).unwrap();
        let told = ["status", "stage", "origin", "budget_ms", "hop"].map(|key| document[key].clone());
        assert_eq!(told, [json!(504), json!("handler"), json!("policy"), json!(300), json!(hop)], "{status}");
    }
}

#[tokio::test]
async fn what_the_client_asks_for_shortens_both_and_lengthens_neither() {
    let address = stacked(5_000 * MS, 300 * MS).await;
    for (asked, granted) in [("200ms", "200"), ("1s", "300"), ("9s", "300")] {
        let field = format!("x-request-timeout: {asked}\r\n");
        assert_eq!(answer(address, "/budget", &field).await, (200, granted.to_owned()), "{asked}");
    }
}

#[tokio::test]
async fn a_body_under_two_layers_is_reset_once_and_with_cancel() {
    for (outer, inner) in [(300, 5_000), (5_000, 300), (300, 300)] {
        let address = stacked(outer * MS, inner * MS).await;
        let (mut client, clock) = (H2Client::connect(address).await, Stopwatch::start());
        let reply = client.get(Request::get(format!("http://{address}/stops")).body(()).unwrap()).await;
        clock.assert_due(300 * MS);
        assert_eq!((reply.data.as_slice(), reply.end), (&b"first"[..], End::Reset(Reason::CANCEL)));
    }
}
