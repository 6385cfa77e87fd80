//! Which policy a request is held to, by its route.

use std::future::pending;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::time::sleep_until;
use tower_deadline::axum::{Failure, RequestDeadline};
use tower_deadline::{Cause, DeadlineLayer, Exceeded, Journey, PolicySet, Stage, now};

use super::serve;
use crate::support::{H2Client, Http1Client, MS, Stopwatch};

/// One default, one strict policy, and one that is longer and only for who is led to it.
const SET: &str = r#"
    [policy.default]
    timeout = "3s"

    [policy.strict]
    timeout = "300ms"
    status = 503

    [policy.report]
    timeout = "300s"

    [policy.pooled]
    timeout = "300ms"
    pool_status = 503

    [route]
    "/reports/{id}" = "report"
    "/strict" = "strict"
    "/waits" = "pooled"
    "/fails" = "pooled"
    "/works" = "pooled"
    "/v1/reports/{id}" = "report"
    "/v1/strict" = "strict"
    "/shop.Reports/*" = "report"
    "/shop.Reports/Stop" = "strict"
    "/shop.Reports/Wait" = "pooled"
    "POST shop" = "report"
"#;

fn set() -> PolicySet {
    PolicySet::from_toml(SET).unwrap()
}

async fn told(Extension(journey): Extension<Journey>) -> String {
    journey.policy().name().to_string()
}

fn routes() -> Router {
    Router::new()
        .route("/reports/{id}", get(told))
        .route("/strict", get(pending::<()>))
        .route("/plain", get(told))
        .fallback(told)
}

async fn answer(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Http1Client::connect(address).await;
    client.get(path, "").await;
    let (head, body) = client.answer().await;
    (head.status(), body)
}

/// The strict route stops after its own time, with its own status and in its policy's name.
async fn assert_strict(address: SocketAddr, path: &str) {
    let clock = Stopwatch::start();
    let (status, body) = answer(address, path).await;
    clock.assert_due(300 * MS);
    let document: Value = serde_json::from_str(&body).unwrap();
    let seen = ["status", "origin", "budget_ms"].map(|key| document[key].clone());
    assert_eq!((status, seen), (503, [json!(503), json!("policy"), json!(300)]), "{body}");
}

#[tokio::test]
async fn an_axum_route_has_the_policy_of_the_path_in_the_router() {
    let app = routes().layer(DeadlineLayer::by_matched_path(set()));
    let address = serve(app).await;
    for (path, policy) in [("/reports/7", "report"), ("/reports/7?a=b", "report"), ("/plain", "default")] {
        assert_eq!(answer(address, path).await, (200, policy.to_owned()), "{path}");
    }
    assert_strict(address, "/strict").await;
    // No route, and one of another length.
    for path in ["/elsewhere", "/reports/7/8"] {
        assert_eq!(answer(address, path).await, (200, "default".to_owned()), "{path}");
    }
}

/// Whether the layer is on the outer router or on the nested one.
#[tokio::test]
async fn a_nested_route_has_the_policy_of_its_whole_path() {
    let outside = Router::new().nest("/v1", routes()).layer(DeadlineLayer::by_matched_path(set()));
    let inside = Router::new().nest("/v1", routes().layer(DeadlineLayer::by_matched_path(set())));
    for app in [outside, inside] {
        let address = serve(app).await;
        assert_eq!(answer(address, "/v1/reports/7").await, (200, "report".to_owned()));
        for path in ["/v1/plain", "/v1/elsewhere"] {
            assert_eq!(answer(address, path).await, (200, "default".to_owned()), "{path}");
        }
        assert_strict(address, "/v1/strict").await;
    }
}

/// Waits in this stage for what never comes.
async fn stay(journey: &Journey, stage: Stage) {
    let _open = journey.enter(stage);
    pending::<()>().await;
}

/// A client that gives up by itself, as one of a database does.
async fn give_up(RequestDeadline(deadline): RequestDeadline) -> Result<(), Failure> {
    sleep_until(deadline.instant().into()).await;
    Err(Exceeded::new(deadline, Stage::Pool, Cause::Deadline, now()).into())
}

#[tokio::test]
async fn who_waits_for_a_connection_in_vain_has_the_status_of_that() {
    let routes = Router::new()
        .route("/waits", get(async |Extension(journey): Extension<Journey>| stay(&journey, Stage::Pool).await))
        .route("/works", get(async |Extension(journey): Extension<Journey>| stay(&journey, Stage::Database).await))
        .route("/fails", get(give_up));
    let address = serve(routes.layer(DeadlineLayer::by_matched_path(set()))).await;
    for (path, status, stage, again, at_once) in [
        ("/waits", 503, "pool", Some("1"), None),
        ("/fails", 503, "pool", Some("1"), None),
        ("/works", 504, "database", None, Some("0")),
    ] {
        let (mut client, clock) = (Http1Client::connect(address).await, Stopwatch::start());
        client.get(path, "").await;
        let (head, body) = client.answer().await;
        clock.assert_due(300 * MS);
        let document: Value = serde_json::from_str(&body).unwrap();
        let seen = ["status", "stage"].map(|key| document[key].clone());
        assert_eq!((head.status(), seen), (status, [json!(status), json!(stage)]), "{path}");
        let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((field("retry-after"), field("x-retry-after")), (again, at_once), "{path}");
        let trail = format!("origin=policy, stage={stage}, cause=deadline");
        assert_eq!(field("deadline-exceeded"), Some(trail.as_str()), "{path}");
    }
}

#[tokio::test]
async fn a_call_of_grpc_that_waits_for_a_connection_in_vain_is_told_of_overload() {
    let app = Router::new().fallback(async |Extension(journey): Extension<Journey>| stay(&journey, Stage::Pool).await);
    let address = serve(app.layer(DeadlineLayer::by_grpc_method(set()))).await;
    let mut client = H2Client::connect(address).await;
    let request = http::Request::post(format!("http://{address}/shop.Reports/Wait"));
    let clock = Stopwatch::start();
    let stopped = client.get(request.header("content-type", "application/grpc").body(()).unwrap()).await;
    clock.assert_due(300 * MS);
    assert_eq!((stopped.status, &stopped.headers["grpc-status"]), (200, &"8".parse().unwrap()));
}

#[tokio::test]
async fn a_grpc_method_has_its_own_policy_or_that_of_its_service() {
    let app = Router::new().fallback(async |request: Request| {
        if request.uri().path().ends_with("/Stop") {
            pending::<()>().await;
        }
        request
            .extensions()
            .get::<Journey>()
            .map(|journey| journey.policy().name().to_string())
            .unwrap_or_default()
    });
    let address = serve(app.layer(DeadlineLayer::by_grpc_method(set()))).await;
    let mut client = H2Client::connect(address).await;
    let mut call = async |path: &str| {
        let request = http::Request::post(format!("http://{address}{path}")).header("content-type", "application/grpc");
        client.get(request.body(()).unwrap()).await
    };
    for (path, policy) in [("/shop.Reports/Yearly", "report"), ("/shop.Payments/Charge", "default")] {
        assert_eq!(String::from_utf8(call(path).await.data).unwrap(), policy, "{path}");
    }
    let clock = Stopwatch::start();
    let stopped = call("/shop.Reports/Stop").await;
    clock.assert_due(300 * MS);
    assert_eq!((stopped.status, &stopped.headers["grpc-status"]), (200, &"4".parse().unwrap()));
}

#[tokio::test]
async fn a_closure_names_the_route_of_a_request() {
    let layer = DeadlineLayer::by(set(), |head| {
        let shop = head.headers().get("x-shop")?.to_str().ok()?;
        Some(format!("{} {shop}", head.method()).into())
    });
    let address = serve(Router::new().fallback(told).layer(layer)).await;
    let mut client = Http1Client::connect(address).await;
    for (request, policy) in [
        ("POST / HTTP/1.1\r\nhost: a\r\nx-shop: shop\r\ncontent-length: 0\r\n\r\n", "report"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx-shop: shop\r\n\r\n", "default"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "default"),
    ] {
        client.send(request).await;
        assert_eq!(client.answer().await.1, policy, "{request}");
    }
}
