//! The hop-safety vectors, through the real proxy. The case with `grpc` is in the tests of gRPC.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt};
use tower_deadline::{Deadline, Dialect, PropagateLayer, now};

use crate::support::{Head, Proxy, Upstream, curl, soon};

/// What the cases say.
const KNOWN: [&str; 14] = [
    "headers",
    "elapsed_ms",
    "response_headers",
    "deadline_ms",
    "forwarded",
    "absent",
    "count",
    "every_forwarded_dialect_ms_max",
    "response_absent",
    "grpc",
    "trailers_te",
    "expires",
    "trailers",
    "rst",
];

/// The cases, by their ids.
pub(super) fn cases() -> BTreeMap<String, Value> {
    let text = include_str!("../../crates/http-deadline/tests/vectors/deadline_header_hop_safety.json");
    let mut file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array_mut().unwrap();
    cases.drain(..).map(|case| (case["id"].as_str().unwrap().to_owned(), case)).collect()
}

#[tokio::test]
async fn the_hop_safety_vectors_hold_through_the_proxy() {
    for (id, case) in cases() {
        let (given, expected) = (&case["in"], &case["out"]);
        let keys = [given, expected].into_iter().filter_map(Value::as_object).flat_map(|keys| keys.keys());
        assert!(keys.into_iter().all(|key| KNOWN.contains(&key.as_str())), "{id} says more than is looked at");
        if given.get("response_headers").is_some() {
            leaves_a_response(&id, given, expected).await;
        } else if given.get("grpc").is_none() {
            leaves_a_request(&id, given, expected).await;
        }
    }
}

async fn leaves_a_response(id: &str, given: &Value, expected: &Value) {
    let fields: String = lines(&given["response_headers"]).iter().map(|line| format!("{line}\r\n")).collect();
    let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 3\r\n\r\nok\n")).await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&[&proxy.url("/")]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{id}");
    for name in texts(&expected["response_absent"]) {
        assert!(!answer.headers.contains_key(name), "{id} {name}");
    }
}

async fn leaves_a_request(id: &str, given: &Value, expected: &Value) {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let elapsed = given["elapsed_ms"].as_u64().unwrap_or_default();
    let fields = lines(&given["headers"]);
    if elapsed == 0 {
        let url = proxy.url("/");
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let answer = curl(&fields.chain([url.as_str()]).collect::<Vec<_>>()).await;
        assert_eq!(answer.status, 200, "{id}");
    } else {
        through_a_hop_that_took(elapsed, &fields, &proxy).await;
    }
    let head = upstream.request().await;
    upstream.assert_no_more();
    is_forwarded(id, &head, expected);
}

/// A hop before the proxy, made of the library, that spends some of the deadline before it calls on.
async fn through_a_hop_that_took(elapsed: u64, fields: &[String], proxy: &Proxy) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
    let mut request = Request::get(proxy.url("/")).body(Empty::new()).unwrap();
    for field in fields {
        let (name, value) = field.split_once(": ").unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        if name == Dialect::XRequestTimeout.as_str() {
            request.extensions_mut().insert(Deadline::after(now(), decoded(value)));
        }
        request.headers_mut().append(name, value.parse().unwrap());
    }
    sleep(Duration::from_millis(elapsed)).await;
    let response = soon("an answer", client.oneshot(request)).await.unwrap();
    assert_eq!(response.status(), 200);
}

fn is_forwarded(id: &str, head: &Head, expected: &Value) {
    let mut timeouts = BTreeMap::new();
    for dialect in Dialect::ALL {
        for value in head.headers.get_all(dialect.as_str()) {
            let timeout = dialect.decode(value.as_bytes(), UNIX_EPOCH).unwrap().unwrap();
            assert_eq!(timeouts.insert(dialect.as_str(), timeout), None, "{id}: {dialect} is doubled");
        }
    }
    for (name, most) in expected["forwarded"].as_object().into_iter().flatten() {
        let most = decoded(most.as_str().unwrap().strip_prefix("<=").unwrap());
        assert!(timeouts[name.as_str()] > Duration::ZERO && timeouts[name.as_str()] <= most, "{id} {timeouts:?}");
    }
    for name in texts(&expected["absent"]) {
        assert!(!head.headers.contains_key(name), "{id} {name}");
    }
    let most = expected["every_forwarded_dialect_ms_max"].as_u64().map_or(Duration::MAX, Duration::from_millis);
    assert!(timeouts.values().all(|timeout| *timeout <= most), "{id} {timeouts:?}");
    let granted = expected["deadline_ms"].as_u64().map_or(Duration::MAX, Duration::from_millis);
    let left = head.timeout();
    assert!(left <= granted, "{id} {left:?}");
    if let Some(count) = expected["count"].as_u64() {
        assert_eq!(timeouts.len() as u64, count, "{id}");
    }
}

fn decoded(text: &str) -> Duration {
    Dialect::XRequestTimeout.decode(text.as_bytes(), UNIX_EPOCH).unwrap().unwrap()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// `[["Name", "value"], …]` as lines of a head.
fn lines(fields: &Value) -> Vec<String> {
    let line = |field: &Value| format!("{}: {}", field[0].as_str().unwrap(), field[1].as_str().unwrap());
    fields.as_array().unwrap().iter().map(line).collect()
}
