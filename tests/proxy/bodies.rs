//! Bodies are forwarded exactly (R14).

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use crate::support::{AnyBody, End, H2Client, Http1Client, Proxy, Server, Upstream, body, curl};

async fn echo(request: Request<Incoming>) -> Response<AnyBody> {
    let mut response = Response::builder();
    if let Some(media) = request.headers().get("content-type") {
        response = response.header("content-type", media);
    }
    response.body(body(request.into_body())).unwrap()
}

/// 5 MiB in which no two neighbouring pages are alike.
fn large() -> Bytes {
    (0..5 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn a_large_body_comes_back_as_it_was_sent() {
    let upstream = Server::answering(echo).await;
    let proxy = Proxy::to(upstream.address).await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large");
    std::fs::write(&file, large()).unwrap();
    let (data, url) = (format!("@{}", file.display()), proxy.url("/"));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
            let arguments = [version, "-H", framing, "-H", "X-Request-Timeout: 15s", "--data-binary", &data, &url];
            let answer = curl(&arguments).await;
            assert_eq!((answer.exit, answer.status), (Some(0), 200), "{version} {framing}");
            assert!(answer.body == large(), "{version} {framing}: {} bytes", answer.body.len());
        }
    }
}

#[tokio::test]
async fn a_large_body_and_its_trailers_pass_both_ways_over_http2() {
    let upstream = Server::answering(echo).await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = H2Client::connect(proxy.address).await;
    let request = Request::post(proxy.url("/shop.Orders/Echo"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "15S");
    let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), "42".parse().unwrap())]);
    let reply = client.post(request.body(()).unwrap(), large(), Some(trailers.clone())).await;
    assert_eq!(reply.status, 200);
    assert!(reply.data == large(), "{} bytes", reply.data.len());
    assert_eq!(reply.end, End::Trailers(trailers));
}

#[tokio::test]
async fn the_trailers_of_a_chunked_answer_pass() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nok\n\r\n0\r\nx-checksum: 42\r\n\r\n",
    )
    .await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/", "te: trailers\r\nconnection: te, close\r\nx-request-timeout: 5s\r\n").await;
    assert_eq!(client.head().await.headers["trailer"], "x-checksum");
    assert_eq!(client.rest().await, "3\r\nok\n\r\n0\r\nx-checksum: 42\r\n\r\n");

    let mut client = H2Client::connect(proxy.address).await;
    let reply = client.get(Request::get(proxy.url("/")).body(()).unwrap()).await;
    let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), "42".parse().unwrap())]);
    assert_eq!((reply.data.as_slice(), reply.end), (&b"ok\n"[..], End::Trailers(trailers)));
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
    let upstream = Upstream::answering(early).await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for _ in 0..2 {
        client.get("/", "x-request-timeout: 5s\r\n").await;
        let (head, body) = client.answer().await;
        assert_eq!((head.status(), body.as_str()), (200, "ok\n"));
        assert!(!head.headers.contains_key("link"));
    }
}

#[tokio::test]
async fn an_empty_body_and_a_head_without_one_stay_what_they_are() {
    let upstream = Server::answering(echo).await;
    let proxy = Proxy::to(upstream.address).await;
    let empty = curl(&["--data-binary", "", &proxy.url("/")]).await;
    assert_eq!((empty.exit, empty.status, empty.field("content-length")), (Some(0), 200, "0"));
    let head = curl(&["--head", "-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
    assert_eq!((head.exit, head.status, head.body.len()), (Some(0), 200, 0));
}
