//! Outgoing calls of a reqwest client: each attempt is told what is left, and all of them end in time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use deadline_testkit::{ScriptedBody, Step};
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, REFERER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use reqwest::{Body, Client, ClientBuilder, Request};
use tokio::time::sleep;
use tower::ServiceExt;
use tower_deadline::reqwest::{Limit, LimitReached, PropagateReqwest, ReqwestBuilder, WithDeadline};
use tower_deadline::{
    Deadline, Dialect, Exceeded, Journey, OnMissing, OriginKind, Policy, PropagateError, PropagateLayer, Stage, now,
    scope,
};

use crate::support::{Exchange, MS, Server, Stopwatch, Upstream, body, scripted, soon, timeout};

/// What a test asks of reqwest itself: whatever proxy is configured here, the tests talk to themselves.
pub(super) fn alone() -> ClientBuilder {
    Client::builder().no_proxy()
}

fn client() -> PropagateReqwest {
    PropagateLayer::new().reqwest().build(alone()).unwrap()
}

pub(super) fn request(method: Method, url: impl AsRef<str>) -> Request {
    Request::new(method, url.as_ref().parse().unwrap())
}

pub(super) fn get(url: impl AsRef<str>) -> Request {
    request(Method::GET, url)
}

pub(super) fn within(budget: u32, request: Request) -> WithDeadline<Request> {
    WithDeadline::new(request, Deadline::after(now(), budget * MS))
}

#[track_caller]
pub(super) fn exceeded<T: std::fmt::Debug>(outcome: Result<T, PropagateError>) -> Exceeded {
    match outcome {
        Err(PropagateError::Exceeded(exceeded)) => exceeded,
        other => panic!("{other:?}"),
    }
}

/// A server that sends on from `/0` to `/1` and so on to `/3`, with this status and after 50 ms each, and keeps
/// what it was sent.
struct Winding {
    server: Server,
    seen: Arc<Mutex<Vec<(Method, HeaderMap, Bytes)>>>,
}

impl Winding {
    async fn start(status: u16) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let keep = Arc::clone(&seen);
        let server = Server::answering(move |request| {
            let keep = Arc::clone(&keep);
            async move {
                let (head, sent) = request.into_parts();
                let sent = sent.collect().await.unwrap().to_bytes();
                keep.lock().unwrap().push((head.method, head.headers, sent));
                let step: u8 = head.uri.path()[1..].parse().unwrap();
                if step == 3 {
                    return Response::new(body(Full::from("there")));
                }
                sleep(50 * MS).await;
                let on = Response::builder().status(status).header(LOCATION, format!("/{}", step + 1));
                on.body(body(Empty::new())).unwrap()
            }
        });
        Self { server: server.await, seen }
    }

    fn start_of(&self) -> String {
        format!("http://{}/0", self.server.address)
    }

    fn seen(&self) -> Vec<(Method, HeaderMap, Bytes)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[tokio::test]
async fn each_redirect_is_told_less() {
    let winding = Winding::start(302).await;
    let response = soon("an answer", client().execute(within(9_000, get(winding.start_of())))).await.unwrap();
    assert_eq!(response.url().path(), "/3");
    assert!(response.remote_addr().is_some_and(|address| address == winding.server.address));
    assert_eq!(soon("a body", response.text()).await.unwrap(), "there");
    let seen = winding.seen();
    let left: Vec<Duration> = seen.iter().map(|(_, headers, _)| timeout(headers, Dialect::XRequestTimeout)).collect();
    assert!(left.len() == 4 && left[0] <= 9_000 * MS, "{left:?}");
    assert!(left.is_sorted_by(|a, b| *a >= *b + 50 * MS), "{left:?}");
    let from: Vec<_> = seen.iter().map(|(_, headers, _)| headers.get(REFERER)).collect();
    assert_eq!(from[0], None);
    assert_eq!(from[1], Some(&HeaderValue::from_str(&winding.start_of()).unwrap()));
}

#[tokio::test]
async fn a_body_goes_along_where_it_can_and_is_left_out_where_it_should() {
    let post = |to: &Winding, body: Body| {
        let mut request = request(Method::POST, to.start_of());
        *request.body_mut() = Some(body);
        within(9_000, request)
    };
    let (replays, forgets) = (Winding::start(307).await, Winding::start(302).await);
    let client = client();
    for (winding, method, sent) in [(&replays, Method::POST, "order"), (&forgets, Method::GET, "")] {
        let response = soon("an answer", client.execute(post(winding, "order".into()))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let seen = winding.seen();
        assert_eq!((&seen[0].0, &seen[0].2[..]), (&Method::POST, &b"order"[..]));
        assert!(seen[1..].iter().all(|(with, _, body)| (with, &body[..]) == (&method, sent.as_bytes())), "{seen:?}");
        assert_eq!(seen.len(), 4);
    }
    // What streams is gone once it is sent.
    let streamed = post(&replays, Body::wrap(ScriptedBody::full("order")));
    let response = soon("an answer", client.execute(streamed)).await.unwrap();
    assert_eq!((response.status(), replays.seen().len()), (StatusCode::TEMPORARY_REDIRECT, 1));
}

fn sent_to(upstream: &Upstream) -> String {
    let to = format!("http://{}/", upstream.address);
    format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn another_origin_sees_neither_a_field_nor_credentials() {
    let mut other = Upstream::start().await;
    let mut first = Upstream::answering(sent_to(&other)).await;
    let its = other.address.to_string();
    let mut asked = get(format!("http://{}/", first.address));
    for name in [AUTHORIZATION, COOKIE] {
        asked.headers_mut().insert(name, HeaderValue::from_static("secret"));
    }
    asked.headers_mut().insert("grpc-timeout", HeaderValue::from_static("9S"));
    asked.headers_mut().insert(HOST, HeaderValue::from_static("shop.internal"));
    let response = soon("an answer", client().execute(within(9_000, asked))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (first, other) = (first.request().await, other.request().await);
    assert!(first.timeout() <= 9_000 * MS && first.headers.contains_key(AUTHORIZATION));
    assert_eq!(
        (first.headers[HOST].to_str().unwrap(), other.headers[HOST].to_str().unwrap()),
        ("shop.internal", &*its)
    );
    for name in Dialect::ALL.map(Dialect::as_str).into_iter().chain(["authorization", "cookie"]) {
        assert!(!other.headers.contains_key(name), "{name}: {other:?}");
    }
}

// R23
#[tokio::test]
async fn another_origin_cannot_say_that_our_deadline_passed() {
    let report = "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\
                  deadline-exceeded: origin=header, stage=handler, cause=deadline\r\n\r\n";
    let other = Upstream::answering(report).await;
    let first = Upstream::answering(sent_to(&other)).await;
    for (asked, believed) in [(&other, true), (&first, false)] {
        let request = within(9_000, get(format!("http://{}/", asked.address)));
        let response = soon("an answer", client().execute(request)).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.extensions().get::<Exceeded>().is_some(), believed);
    }
}

#[tokio::test]
async fn credentials_that_the_client_adds_to_every_request_go_to_no_other_origin() {
    let secret = || HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("secret"))]);
    let mut other = Upstream::start().await;
    let first = Upstream::answering(sent_to(&other)).await;
    let url = format!("http://{}/", first.address);
    let below = PropagateLayer::new().reqwest().build(alone().default_headers(secret())).unwrap();
    let response = soon("an answer", below.execute(get(&url))).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    other.assert_untouched();
    let ours = PropagateLayer::new().reqwest().default_headers(secret()).build(alone()).unwrap();
    assert_eq!(soon("an answer", ours.execute(get(&url))).await.unwrap().status(), StatusCode::OK);
    assert!(!other.request().await.headers.contains_key(AUTHORIZATION));
}

/// A call to a script, and the error that it ends with, after 300 ms.
async fn ended(upstream: &Upstream, builder: ReqwestBuilder, path: &str, budget: u32) -> LimitReached {
    let url = format!("http://{}{path}", upstream.address);
    let clock = Stopwatch::start();
    let called = soon("a call", builder.build(alone()).unwrap().execute(within(budget, get(url)))).await;
    let reached = match called {
        Ok(response) => LimitReached::find(&soon("a body", response.bytes()).await.unwrap_err()),
        Err(error) => LimitReached::find(&error),
    };
    clock.assert_due(300 * MS);
    reached.expect("a limit")
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_left_at_the_sooner_limit() {
    for path in ["/never", "/stops"] {
        let mut upstream = Upstream::start().await;
        let line = line!() + 1;
        let builder = PropagateLayer::new().reqwest().read_timeout(300 * MS);
        let reached = ended(&upstream, builder, path, 9_000).await;
        assert_eq!((reached.limit(), reached.length()), (Limit::Read, 300 * MS), "{path}");
        let here = format!("{}:{line}", file!());
        assert_eq!(reached.origin().detail().to_string(), here, "{path}");
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);

        let line = line!() + 1;
        let builder = PropagateLayer::new().timeout(300 * MS).reqwest().read_timeout(9_000 * MS);
        let reached = ended(&upstream, builder, path, 9_000).await;
        assert_eq!((reached.limit(), reached.length()), (Limit::Total, 300 * MS), "{path}");
        assert_eq!(reached.origin().detail().to_string(), format!("{}:{line}", file!()), "{path}");
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    }
}

#[tokio::test]
async fn the_ambient_deadline_is_told_and_ends_the_call() {
    let mut upstream = Upstream::start().await;
    let url = format!("http://{}/never", upstream.address);
    let clock = Stopwatch::start();
    let deadline = Deadline::after(now(), 300 * MS);
    // The explicit one is later, and lengthens nothing.
    let call = async { client().oneshot(within(9_000, get(url))).await };
    let stopped = soon("the scope", scope(deadline, call)).await.unwrap_err();
    clock.assert_due(300 * MS);
    assert_eq!((stopped.origin().kind(), stopped.stage()), (OriginKind::Code, Stage::Upstream));
    assert!(upstream.request().await.timeout() <= 300 * MS);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

// R21
#[tokio::test]
async fn a_journey_beside_the_request_keeps_its_reserve() {
    let mut upstream = Upstream::start().await;
    let request = within(9_000, get(format!("http://{}/", upstream.address)));
    let journey = Journey::new(Policy::new().reserve(8_000 * MS).into(), true);
    soon("an answer", client().execute(request.journey(journey))).await.unwrap();
    assert!(upstream.request().await.timeout() <= 1_000 * MS);
}

#[tokio::test]
async fn an_unsent_call_leaves_the_connection_in_the_pool() {
    let mut upstream = Upstream::start().await;
    let (client, url) = (client(), format!("http://{}/", upstream.address));
    for _ in 0..3 {
        let response = soon("an answer", client.execute(within(9_000, get(&url)))).await.unwrap();
        assert_eq!(soon("a body", response.text()).await.unwrap(), "ok\n");
        let unsent = exceeded(soon("a refusal", client.execute(within(0, get(&url)))).await);
        assert_eq!(unsent.stage(), Stage::Unsent);
        upstream.request().await;
    }
    assert_eq!(upstream.accepted(), 1);
    upstream.assert_no_more();
}

#[tokio::test]
async fn a_call_without_a_deadline_is_not_sent_where_one_is_wanted() {
    let mut upstream = Upstream::start().await;
    let strict = PropagateLayer::new().on_missing(OnMissing::Reject).reqwest().build(alone()).unwrap();
    let outcome = soon("a refusal", strict.execute(get(format!("http://{}/", upstream.address)))).await;
    assert!(matches!(outcome, Err(PropagateError::Missing { .. })), "{outcome:?}");
    upstream.assert_untouched();
}

/// reqwest drops trailers, so they cannot tell.
#[tokio::test]
async fn a_body_of_grpc_that_is_cut_at_the_deadline_does_not_look_whole() {
    let server = Server::answering(|_| async {
        let head = Response::builder().header("content-type", "application/grpc");
        head.body(scripted([Step::Data("half of it"), Step::Stall]).0).unwrap()
    })
    .await;
    let client = PropagateLayer::new().reqwest().build(alone()).unwrap();
    let request = request(Method::GET, format!("http://{}/file", server.address));
    let response = client.execute(WithDeadline::new(request, Deadline::after(now(), 300 * MS))).await.unwrap();
    assert!(response.bytes().await.is_err());
}
