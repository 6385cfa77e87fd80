//! Stages before and beside the handler: waiting for a place, reading the request body (R12, R20).

use std::convert::Infallible;
use std::future::pending;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use deadline_testkit::Probe;
use http::Response;
use http_body_util::Empty;
use serde_json::Value;
use tower::limit::ConcurrencyLimitLayer;
use tower::{ServiceBuilder, service_fn};
use tower_deadline::axum::Failure;
use tower_deadline::{DeadlineLayer, Policy};

use super::serve;
use crate::support::{Head, Http1Client, MS, Server, Stopwatch, eventually};

fn assert_stopped_in(stage: &str, (head, body): (Head, String)) {
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((head.status(), document["stage"].as_str()), (504, Some(stage)), "{document}");
    let trail = format!("origin=header, stage={stage}, cause=deadline");
    assert_eq!(head.headers["deadline-exceeded"], trail.as_str());
}

#[tokio::test]
async fn waiting_for_a_place_ends_at_the_deadline() {
    let probe = Probe::default();
    let watched = probe.clone();
    let handler = service_fn(move |_| watched.watch(pending::<Result<Response<Empty<Bytes>>, Infallible>>()));
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Policy::new()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(handler);
    let server = Server::serving(service).await;

    let mut first = Http1Client::connect(server.address).await;
    first.get("/", "").await;
    eventually("the first request has the place", || probe.in_flight() == 1).await;
    let (mut second, clock) = (Http1Client::connect(server.address).await, Stopwatch::start());
    second.get("/", "x-request-timeout: 300ms\r\n").await;
    assert_stopped_in("queue", second.answer().await);
    clock.assert_due(300 * MS);
    assert_eq!(probe.called(), 1, "the second never had a place");

    // The place is free once the first has left, and whoever waits for it then gets it.
    second.get("/", "x-request-timeout: 9s\r\n").await;
    drop(first);
    eventually("the second request has the place", || probe.called() == 2).await;
    assert_eq!((probe.in_flight(), probe.dropped()), (1, 1));
}

#[tokio::test]
async fn a_request_body_slower_than_the_deadline_is_answered_for() {
    let plain = |body: Bytes| async move { body.len().to_string() };
    let fallible = |body: axum::body::Body| async move {
        let body = axum::body::to_bytes(body, 1_000).await?;
        Ok::<_, Failure>(body.len().to_string())
    };
    let router = Router::new().route("/plain", post(plain)).route("/fallible", post(fallible));
    let address = serve(router.layer(DeadlineLayer::new(Policy::new()))).await;
    for path in ["/plain", "/fallible"] {
        let (mut client, clock) = (Http1Client::connect(address).await, Stopwatch::start());
        let fields = "host: shop.example\r\nx-request-timeout: 300ms\r\ncontent-length: 100\r\n";
        client.send(&format!("POST {path} HTTP/1.1\r\n{fields}\r\n0123456789")).await;
        assert_stopped_in("request_body", client.answer().await);
        clock.assert_due(300 * MS);
    }
}
