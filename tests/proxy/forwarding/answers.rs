//! Every answer carries the id of its request and the name of this hop, whoever has made it.

use std::collections::HashSet;

use http::{HeaderMap, Request};
use tokio::net::TcpListener;

use super::{TRUST, is_uuid, one};
use crate::support::{H2Client, Http1Client, Proxy, Upstream, curl};

#[track_caller]
fn signed(headers: &HeaderMap) -> String {
    assert_eq!(one(headers, "via"), "1.1 edge");
    one(headers, "x-request-id")
}

/// The status of an answer, and its id.
async fn answer(proxy: &Proxy, request: &str) -> (u16, String) {
    let mut client = Http1Client::connect(proxy.address).await;
    client.send(&request.replace('\n', "\r\n")).await;
    let head = client.head().await;
    (head.status(), signed(&head.headers))
}

const FIELDS: &str = "host: shop.example\nx-request-id: of-the-client\n";

#[tokio::test]
async fn every_answer_has_the_id_of_its_request_and_names_this_hop() {
    let upstream = Upstream::start().await;
    let proxy =
        Proxy::with(upstream.address, &["--hop", "edge", "--max-headers", "20", "--upgrade", "websocket"]).await;
    let trusting = Proxy::with(upstream.address, &[&["--hop", "edge"], &TRUST[..]].concat()).await;
    let mut ids = HashSet::new();
    let circle = ["1.1 edge"; 11].join(", ");
    for (status, start, more) in [
        (200, "GET / HTTP/1.1", ""),
        // By DeadlineLayer: at arrival, in time, and a field that is none.
        (504, "GET / HTTP/1.1", "x-request-timeout: 0\n"),
        (504, "GET /slow HTTP/1.1", "x-request-timeout: 100ms\n"),
        (400, "GET / HTTP/1.1", "x-request-timeout: abc\n"),
        // By FramingLayer.
        (400, "GET / HTTP/1.1", "host: other.example\n"),
        (501, "POST / HTTP/1.1", "transfer-encoding: gzip, chunked\n"),
        // By the opener of tunnels, what strips hop by hop, what forwards, the gateway.
        (400, "GET / HTTP/1.1", "connection: host\n"),
        (508, "GET / HTTP/1.1", &format!("via: {circle}\n")),
        (501, "CONNECT shop.example:443 HTTP/1.1", ""),
        (502, "GET /die HTTP/1.1", ""),
    ] {
        let request = format!("{start}\n{FIELDS}{more}\n");
        let (got, id) = answer(&proxy, &request).await;
        assert_eq!(got, status, "{request}");
        assert!(is_uuid(&id) && ids.insert(id.clone()), "{request}: {id}");
        // Whom we trust gave the id, and looks for it.
        assert_eq!(answer(&trusting, &request).await, (status, "of-the-client".to_owned()), "{request}");
    }
    let websocket = "GET / HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: websocket\n\n";
    let (status, id) = answer(&proxy, websocket).await;
    assert!(status == 400 && is_uuid(&id));
}

#[tokio::test]
async fn an_answer_over_http2_has_them_too() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--hop", "edge", "--max-headers", "20"]).await;
    let mut client = H2Client::connect(proxy.address).await;
    let get = || Request::get(proxy.url("/")).header("x-request-timeout", "0");
    let reply = client.get(get().body(()).unwrap()).await;
    assert_eq!((reply.status, is_uuid(&signed(&reply.headers))), (504, true));
    let call = get().header("content-type", "application/grpc").body(()).unwrap();
    let reply = client.get(call).await;
    assert_eq!((reply.status, one(&reply.headers, "grpc-status").as_str()), (200, "4"));
    assert!(is_uuid(&signed(&reply.headers)));
    let many = (0..30).fold(Request::get(proxy.url("/")), |request, field| request.header(format!("x-{field}"), "a"));
    let reply = client.get(many.body(()).unwrap()).await;
    assert_eq!((reply.status, is_uuid(&signed(&reply.headers))), (431, true));
}

#[tokio::test]
async fn one_that_is_told_that_there_is_no_room_has_them_too() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--hop", "edge", "--max-in-flight", "1"]).await;
    let full = Proxy::with(upstream.address, &["--hop", "edge", "--max-connections", "1", "--workers", "1"]).await;
    for proxy in [proxy, full] {
        let mut first = Http1Client::connect(proxy.address).await;
        first.get("/never", "").await;
        upstream.request().await;
        let (status, id) = answer(&proxy, &format!("GET / HTTP/1.1\n{FIELDS}\n")).await;
        assert_eq!((status, is_uuid(&id)), (503, true));
    }
}

#[tokio::test]
async fn nobody_at_the_upstream_is_no_reason_to_answer_without_them() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::with(gone, &["--hop", "edge"]).await;
    let answer = curl(&[&proxy.url("/")]).await;
    assert_eq!((answer.status, is_uuid(&signed(&answer.headers))), (502, true));
}

#[tokio::test]
async fn an_upstream_does_not_rename_a_request_and_may_where_names_are_its_own() {
    let theirs =
        "HTTP/1.1 200 OK\r\nx-request-id: theirs\r\nconnection: via, x-request-id\r\ncontent-length: 0\r\n\r\n";
    let mut upstream = Upstream::answering(theirs).await;
    let proxy = Proxy::with(upstream.address, &["--hop", "edge"]).await;
    let answer = curl(&[&proxy.url("/")]).await;
    assert_eq!(signed(&answer.headers), one(&upstream.request().await.headers, "x-request-id"));
    let theirs = theirs.replace("via, x-request-id", "close");
    let upstream = Upstream::answering(theirs).await;
    let proxy = Proxy::with(upstream.address, &["--hop", "edge", "--no-request-id"]).await;
    assert_eq!(signed(&curl(&[&proxy.url("/")]).await.headers), "theirs");
}
