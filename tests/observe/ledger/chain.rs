//! Three hops: client → proxy → `orders` → `payments`. Each in turn stops the request, and each sets the limit: what the field
//! says at each hop, word for word, and what the access log of the first one does.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, Request};
use http_deadline::dialect::trail::DEADLINE_EXCEEDED;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt};
use tower_deadline::axum::Failure;
use tower_deadline::propagate::Propagate;
use tower_deadline::{DeadlineLayer, Exceeded, Policy, PropagateLayer};

use crate::support::{Answer, Folder, Proxy, curl, eventually};
use crate::wire::serve;

const SECOND: Duration = Duration::from_secs(1);

/// What is kept back at each hop: so long before its caller does, a hop stops, and its answer has half of it to come back.
const RESERVE: Duration = Duration::from_secs(2);

/// What `orders` was told by `payments`, and what it tells the proxy.
const RECEIVED: &str = "x-orders-received";
const SENT: &str = "x-orders-sent";

/// Who sets a limit, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Set {
    Client,
    Proxy,
    Orders,
    /// The client of `orders` has one in its code.
    Code,
    Payments,
}

type Payments = (Propagate<Client<HttpConnector, Body>>, SocketAddr);

async fn charge((payments, address): Payments) -> Result<http::Response<Body>, Failure> {
    let request = Request::get(format!("http://{address}/charge")).body(Body::empty())?;
    Ok(payments.oneshot(request).await?.map(Body::new))
}

/// Passes on what it gets, and notes what that says.
async fn order(State(payments): State<Payments>) -> Result<Response, Failure> {
    let mut answer = charge(payments).await?;
    note(&mut answer, RECEIVED);
    Ok(answer)
}

/// Answers for itself by what it gets.
async fn translate(State(payments): State<Payments>) -> Result<Response, Failure> {
    let answer = charge(payments).await?;
    match answer.extensions().get::<Exceeded>() {
        Some(exceeded) => Err(exceeded.clone().into()),
        None => Ok(answer),
    }
}

fn note(answer: &mut Response, name: &'static str) {
    if let Some(field) = answer.headers().get(&DEADLINE_EXCEEDED).cloned() {
        answer.headers_mut().insert(name, field);
    }
}

fn limited(is_set: bool, timeout: Duration) -> Policy {
    let policy = Policy::new().reserve(RESERVE);
    if is_set { policy.default_timeout(timeout) } else { policy }
}

async fn services(set: Set) -> SocketAddr {
    let payments = Router::new().route("/charge", get(pending::<String>));
    let payments = payments.layer(DeadlineLayer::new(limited(set == Set::Payments, 2 * SECOND)).hop("payments"));
    let propagate = PropagateLayer::new();
    let propagate = if set == Set::Code { propagate.timeout(4 * SECOND) } else { propagate };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let orders = Router::new()
        .route("/order", get(order))
        .route("/translate", get(translate))
        .route("/think", get(pending::<String>))
        .with_state((ServiceBuilder::new().layer(propagate).service(client), serve(payments).await))
        .layer(DeadlineLayer::new(limited(set == Set::Orders, 4 * SECOND)).hop("orders"))
        .layer(axum::middleware::map_response(async |mut answer: Response| {
            note(&mut answer, SENT);
            answer
        }))
        // No layer of ours is around it.
        .route("/stuck", get(pending::<String>));
    serve(orders).await
}

/// What came of a request, and the line that the proxy wrote of it.
async fn asked(set: Set, path: &str) -> (Answer, Value) {
    let (orders, folder) = (services(set).await, Folder::new());
    let log = folder.of("access.log");
    let limit = if set == Set::Proxy { "timeout = \"6s\"\n" } else { "" };
    let rest = format!(
        "[access_log]\nrequests = \"full\"\nformat = \"json\"\noutput = \"{log}\"\n\
         [policy.default]\n{limit}reserve = \"2s\"\n[[route]]\nupstream = \"orders\"\n"
    );
    let proxy = Proxy::of(&[("orders", orders)], &rest).await;
    let url = proxy.url(path);
    let asks = ["-H", "X-Request-Timeout: 6s", &url];
    let answer = curl(if set == Set::Client { &asks[..] } else { &asks[2..] }).await;
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("a line", || lines().ends_with('\n')).await;
    (answer, serde_json::from_str(&lines()).expect("a line is an object"))
}

/// `[from payments, from orders, from the proxy]`; nothing where there was no answer to see.
fn fields(answer: &Answer) -> [String; 3] {
    let text = |value: &HeaderValue| value.to_str().expect("it is text").to_owned();
    [RECEIVED, SENT, DEADLINE_EXCEEDED.as_str()].map(|name| answer.headers.get(name).map(text).unwrap_or_default())
}

fn field(origin: &str, stage: &str, hop: &str, set_by: Option<&str>) -> String {
    let set_by = set_by.map(|hop| format!(", origin_hop=\"{hop}\"")).unwrap_or_default();
    format!("origin={origin}, stage={stage}, cause=deadline, hop=\"{hop}\"{set_by}")
}

/// Asserts what is told at each hop, and that the log says what the answer does.
async fn assert_told(set: Set, path: &str, expected: [String; 3]) {
    let (answer, line) = asked(set, path).await;
    assert_eq!(answer.status, 504, "{set:?} {path}: {}", answer.text());
    assert_eq!(fields(&answer), expected, "{set:?} {path}");
    let told = http_deadline::dialect::trail::Trail::read(&answer.headers).expect("it is one");
    let key = |key: &str| line[key].as_str();
    assert_eq!((key("stage"), key("cause")), (Some(told.stage().as_str()), Some("deadline")), "{set:?} {path}: {line}");
    assert_eq!((key("hop"), key("origin_hop")), (told.hop(), told.set_by()), "{set:?} {path}: {line}");
}

#[tokio::test]
async fn a_stop_at_the_last_hop_names_it_and_whoever_set_the_limit() {
    let header = || field("header", "handler", "payments", None);
    let set = |origin, by| field(origin, "handler", "payments", Some(by));
    let own = || field("policy", "handler", "payments", None);
    tokio::join!(
        assert_told(Set::Client, "/order", [header(), header(), header()]),
        assert_told(Set::Proxy, "/order", [header(), header(), set("policy", "proxy")]),
        assert_told(Set::Orders, "/order", [header(), set("policy", "orders"), set("policy", "orders")]),
        assert_told(Set::Code, "/order", [header(), set("code", "orders"), set("code", "orders")]),
        assert_told(Set::Payments, "/order", [own(), own(), own()]),
    );
}

#[tokio::test]
async fn a_stop_in_the_middle_or_at_the_front_names_that_hop() {
    let orders = |origin, set_by| field(origin, "handler", "orders", set_by);
    let proxy = |origin| field(origin, "upstream", "proxy", None);
    let none = String::new;
    tokio::join!(
        assert_told(Set::Client, "/think", [none(), orders("header", None), orders("header", None)]),
        assert_told(Set::Proxy, "/think", [none(), orders("header", None), orders("policy", Some("proxy"))]),
        assert_told(Set::Orders, "/think", [none(), orders("policy", None), orders("policy", None)]),
        assert_told(Set::Client, "/stuck", [none(), none(), proxy("header")]),
        assert_told(Set::Proxy, "/stuck", [none(), none(), proxy("policy")]),
    );
}

#[tokio::test]
async fn a_hop_that_answers_for_itself_tells_of_the_one_that_stopped() {
    let (header, none) = (field("header", "handler", "payments", None), String::new());
    assert_told(Set::Client, "/translate", [none.clone(), header.clone(), header.clone()]).await;
    let set = field("policy", "handler", "payments", Some("orders"));
    let (answer, _) = asked(Set::Orders, "/translate").await;
    assert_eq!(fields(&answer), [none, set.clone(), set]);
    let told = answer.json();
    let members = ["stage", "hop", "origin_hop", "detail"].map(|key| told[key].as_str().unwrap_or_default());
    let detail = "deadline of 4000 ms exceeded at payments in stage handler";
    assert_eq!(members, ["handler", "payments", "orders", detail], "{told}");
}
