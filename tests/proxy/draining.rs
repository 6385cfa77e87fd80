//! A drain: whom it cuts inside the limit (nobody), and what whoever is left is told after it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use deadline_testkit::Step;
use http::{Request, Response};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{
    Act, Chance, End, Exchange, Folder, H2Client, Http1Client, MS, Mirror, Proxy, SLACK, Server, Stopwatch, Upstream,
    assert_due, eventually, scripted,
};

const DRAIN: Duration = Duration::from_millis(800);

/// A proxy that waits so long in a drain, and the file of its log.
async fn logged(upstream: SocketAddr, folder: &Folder, drain: &str) -> (Proxy, String) {
    let path = folder.of("access.log");
    let log = ["--access-log", "full", "--access-log-format", "json", "--access-log-output", &path];
    let arguments = [&log[..], &["--drain-timeout", drain, "--hop", "edge"]].concat();
    (Proxy::with(upstream, &arguments).await, path)
}

/// What the log says of each path: status, how it ended, cause.
fn told(path: &str) -> BTreeMap<String, (u64, String, String)> {
    let text = fs::read_to_string(path).expect("there is a log");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or("none").to_owned();
    lines
        .map(|line| {
            let told = (line["status"].as_u64().unwrap_or_default(), word(&line, "ended"), word(&line, "cause"));
            (word(&line, "path"), told)
        })
        .collect()
}

fn line(status: u64, ended: &str, cause: &str) -> (u64, String, String) {
    (status, ended.to_owned(), cause.to_owned())
}

/// Requests of HTTP/1.1 at each point, all of which are under way.
async fn under_way(proxy: &Proxy, upstream: &mut Upstream, asked: &[(&str, &str)]) -> Vec<Http1Client> {
    let mut clients = Vec::new();
    for (path, fields) in asked {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get(path, fields).await;
        assert_eq!(upstream.request().await.path(), *path);
        clients.push(client);
    }
    clients
}

/// Before its head: an answer that says so, with a deadline or without one.
async fn assert_told(client: &mut Http1Client, origin: &str) {
    let (head, body) = client.answer().await;
    assert_eq!((head.status(), &head.headers["connection"]), (503, &"close".parse().unwrap()));
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let trail = head.headers["deadline-exceeded"].to_str().expect("a trail is text");
    assert!(trail.starts_with(&format!("origin={origin}, stage=")), "{trail}");
    assert!(trail.ends_with("cause=shutdown, hop=\"edge\""), "{trail}");
    assert!(body.contains("\"cause\":\"shutdown\""), "{body}");
}

// R13
#[tokio::test]
async fn what_is_under_way_after_the_limit_is_stopped_with_its_cause() {
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let (proxy, log) = logged(upstream.address, &folder, "800ms").await;
    let asked = [("/never", ""), ("/never", "x-request-timeout: 60s\r\n"), ("/stops", ""), ("/never", "")];
    let mut clients = under_way(&proxy, &mut upstream, &asked).await;
    assert_eq!(clients[2].head().await.status(), 200);
    let mut http2 = H2Client::connect(proxy.address).await;
    let mut open = Vec::new();
    for path in ["/never", "/stops"] {
        open.push(http2.open(Request::get(proxy.url(path)).body(()).unwrap(), true).await.0);
        upstream.request().await;
    }

    proxy.program.terminate().await;
    let clock = Stopwatch::start();
    sleep(100 * MS).await;
    // Who leaves before that has left.
    drop(clients.pop());
    assert_told(&mut clients[0], "code").await;
    clock.assert_due(DRAIN - 50 * MS);
    assert_told(&mut clients[1], "header").await;
    let broken = clients.pop().unwrap().rest().await;
    assert!(broken.ends_with("message 1\n\r\n"), "no last chunk: {broken:?}");
    let [before, after] = [H2Client::reply(open.remove(0)).await, H2Client::reply(open.remove(0)).await];
    assert_eq!((before.status, before.end), (503, End::Data));
    assert_eq!((after.status, after.end), (200, End::Reset(h2::Reason::CANCEL)));
    let finished = proxy.program.finish().await;
    assert_eq!(finished.code, Some(0));
    assert!(finished.stderr.contains("the drain limit of 800ms has passed"), "{}", finished.stderr);
    assert!(clock.elapsed() < DRAIN + 1_000 * MS + SLACK);
    let text = fs::read_to_string(&log).unwrap();
    let count = |word: &str| text.matches(word).count();
    assert_eq!((count("\"cause\":\"shutdown\""), count("\"cause\":\"client_gone\""), text.lines().count()), (5, 1, 6));
    assert_eq!(told(&log)["/stops"], line(200, "stopped", "shutdown"));
    for _ in 0..6 {
        assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    }
}

/// A gRPC server that says half of what it has to say.
async fn orders() -> Server {
    Server::answering(async |request| {
        if request.uri().path() == "/shop.Orders/Never" {
            return std::future::pending().await;
        }
        let media = request.headers()["content-type"].clone();
        let (body, _) = scripted([Step::Data("\0\0\0\0\x05hello"), Step::Stall]);
        Response::builder().header("content-type", media).body(body).unwrap()
    })
    .await
}

// R13, R36
#[tokio::test]
async fn calls_are_told_in_their_own_words() {
    let (server, folder) = (orders().await, Folder::new());
    let (proxy, log) = logged(server.address, &folder, "800ms").await;
    let mut client = H2Client::connect(proxy.address).await;
    let mut calls = Vec::new();
    for kind in ["application/grpc", "application/grpc-web+proto", "application/connect+json"] {
        for method in ["Never", "Stream"] {
            let request = Request::post(proxy.url(&format!("/shop.Orders/{method}"))).header("content-type", kind);
            let (answer, mut body) = client.open(request.body(()).unwrap(), false).await;
            body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
            calls.push((kind, method, answer));
        }
    }
    let started = || Box::pin(async { proxy.metric("deadline_proxy_requests_in_flight", &[]).await });
    while started().await < 6.0 {
        sleep(10 * MS).await;
    }
    sleep(100 * MS).await;
    proxy.program.terminate().await;
    for (kind, method, answer) in calls {
        let reply = H2Client::reply(answer).await;
        let body = String::from_utf8_lossy(&reply.data).into_owned();
        let words = match (kind, method, &reply.end) {
            ("application/grpc", "Stream", End::Trailers(trailers)) => format!("{trailers:?}"),
            ("application/grpc" | "application/grpc-web+proto", "Never", End::Data) => format!("{:?}", reply.headers),
            (_, _, End::Data) => body.clone(),
            (_, _, end) => panic!("{kind} {method}: {end:?}"),
        };
        let code = if kind == "application/connect+json" { "unavailable" } else { "14" };
        assert!(words.contains(code) && words.contains("shutdown"), "{kind} {method}: {words:?}");
        assert_eq!((reply.status, body.contains("hello")), (200, method == "Stream"), "{kind} {method}");
    }
    assert_eq!(proxy.program.finish().await.code, Some(0));
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!((text.matches("\"cause\":\"shutdown\"").count(), text.lines().count()), (6, 6), "{text}");
}

#[tokio::test]
async fn a_second_word_stops_at_once_and_no_line_is_lost() {
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let (proxy, log) = logged(upstream.address, &folder, "60s").await;
    let mut clients = under_way(&proxy, &mut upstream, &[("/never", ""), ("/stops", "")]).await;
    // It takes nothing of its answer, so that nobody asks for the rest of it.
    let unread = under_way(&proxy, &mut upstream, &[("/flood", "")]).await;
    assert_eq!(clients[1].head().await.status(), 200);
    sleep(300 * MS).await;
    proxy.program.terminate().await;
    sleep(300 * MS).await;
    let clock = Stopwatch::start();
    proxy.program.terminate().await;
    assert_told(&mut clients[0], "code").await;
    let finished = proxy.program.finish().await;
    assert_eq!(finished.code, Some(0));
    assert!(finished.stderr.contains("told to stop at once"), "{}", finished.stderr);
    assert!(clock.elapsed() < 1_000 * MS + SLACK, "{:?}", clock.elapsed());
    drop(unread);
    let told = told(&log);
    assert_eq!(told["/never"], line(503, "complete", "shutdown"));
    assert_eq!(told["/stops"], line(200, "stopped", "shutdown"));
    assert_eq!(told["/flood"], line(200, "dropped", "shutdown"));
}

/// How clients fared that keep their connections.
#[derive(Default)]
struct Fared {
    answered: AtomicUsize,
    /// An answer was their last on its connection.
    told: AtomicUsize,
    cut: AtomicUsize,
}

/// Asks over one connection after the other, until nobody is there.
async fn keep_asking(address: SocketAddr, path: &str, pauses: Chance, fared: &Fared) {
    let mut pauses = pauses;
    let deadline = Instant::now() + Duration::from_secs(12);
    while Instant::now() < deadline {
        let Ok(stream) = tokio::net::TcpStream::connect(address).await else { return };
        let mut client = Http1Client::of(stream);
        loop {
            let asked = client.try_get(path).await;
            let answer = if asked { client.answer_if_whole().await } else { None };
            let Some((head, _)) = answer.filter(|(head, _)| head.status() == 200) else {
                fared.cut.fetch_add(1, Ordering::Relaxed);
                break;
            };
            fared.answered.fetch_add(1, Ordering::Relaxed);
            if head.headers.get("connection").is_some_and(|word| word == "close") {
                fared.told.fetch_add(1, Ordering::Relaxed);
                break;
            }
            sleep(pauses.millis(0..30)).await;
        }
    }
}

/// A client that has its answer asks again on the same connection, at the very moment in which a drain begins.
#[tokio::test]
async fn no_client_that_keeps_its_connection_is_cut_inside_the_limit() {
    let upstream = Mirror::start(|visit, _| Act {
        after: if visit.head.path() == "/slow" { 20 * MS } else { Duration::ZERO },
        ..Act::answer(200, "", "ok")
    });
    let proxy = Proxy::with(upstream.address, &["--workers", "2"]).await;
    let (fared, address) = (Arc::new(Fared::default()), proxy.address);
    let mut clients = JoinSet::new();
    for client in 0..48 {
        let (fared, path) = (Arc::clone(&fared), ["/", "/slow"][client % 2]);
        let pauses = Chance::of(7, client);
        clients.spawn(async move { keep_asking(address, path, pauses, &fared).await });
    }
    eventually("a load", || fared.answered.load(Ordering::Relaxed) > 1_000).await;
    let clock = Stopwatch::start();
    proxy.program.terminate().await;
    clients.join_all().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    assert_eq!((count(&fared.cut), count(&fared.told) >= 24), (0, true), "of {}", count(&fared.answered));
    // A second for the next request of each, not the whole limit.
    assert!(clock.elapsed() < 3_000 * MS + SLACK, "{:?}", clock.elapsed());
}

/// The head of its answer is out, and could not say that the connection closes: its next request is on the way.
#[tokio::test]
async fn who_reads_an_answer_when_the_drain_begins_is_told_with_the_next() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = under_way(&proxy, &mut upstream, &[("/text", "")]).await.remove(0);
    assert_eq!(client.head().await.headers.get("connection"), None);
    let begun = Instant::now();
    proxy.program.terminate().await;
    client.chunks().await;
    sleep(300 * MS).await;
    client.get("/", "").await;
    let (head, _) = client.answer().await;
    assert_eq!((head.status(), &head.headers["connection"]), (200, &"close".parse().unwrap()));
    assert_eq!((client.rest().await.as_str(), proxy.program.finish().await.code), ("", Some(0)));
    assert_due(begun.elapsed(), 1_000 * MS);
}
