//! gRPC-Web and Connect, whose status stands in the body: left intact, and told when time is up (R13, R14, R36).

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use deadline_testkit::{BodyProbe, Step};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{AnyBody, End, H2Client, MS, Proxy, Server, Stopwatch, body, eventually, scripted, soon};

const MESSAGE: &str = "\0\0\0\0\x05hello";
const HALF: &str = "\0\0\0\0\x05hel";
/// The message in base64.
const TEXT: &str = "AAAAAAVoZWxsbw==";

const WEB: &str = "application/grpc-web+proto";
const WEB_TEXT: &str = "application/grpc-web-text+proto";
const CONNECT: &str = "application/connect+json";

/// An upstream that answers in the content type of its caller: the path says with what.
async fn upstream() -> (Server, UnboundedReceiver<BodyProbe>) {
    let (tell, probes) = unbounded_channel();
    let server = Server::answering(move |request| {
        let tell = tell.clone();
        async move {
            let media = request.headers()["content-type"].clone();
            let steps = match request.uri().path() {
                "/shop.Orders/Message" => vec![Step::Data(MESSAGE), Step::Stall],
                "/shop.Orders/Text" => vec![Step::Data(TEXT), Step::Stall],
                "/shop.Orders/Half" => vec![Step::Data(MESSAGE), Step::Data(HALF), Step::Stall],
                "/shop.Orders/Never" => std::future::pending().await,
                _ => return Response::builder().header("content-type", media).body(body(request.into_body())).unwrap(),
            };
            // Behind a request that nobody has read to its end, no server sees that its client is gone.
            let _ = request.into_body().collect().await;
            let (stream, probe) = scripted(steps);
            let _ = tell.send(probe);
            Response::builder().header("content-type", media).body(stream).unwrap()
        }
    })
    .await;
    (server, probes)
}

/// What a client saw, by whichever version.
struct Seen {
    status: u16,
    headers: HeaderMap,
    /// `None` where it was broken off.
    body: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Http1,
    Http2,
}

const VERSIONS: [By; 2] = [By::Http1, By::Http2];

async fn call(by: By, url: String, fields: &[(&str, &str)], sent: Vec<u8>) -> Seen {
    match by {
        By::Http1 => {
            let client = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
            let request = client.post(url).body(sent);
            let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let response = soon("a head", request.send()).await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = soon("the end of a body", response.bytes()).await;
            Seen { status, headers, body: body.ok().map(Vec::from) }
        }
        By::Http2 => {
            let request =
                fields.iter().fold(Request::post(&url), |request, (name, value)| request.header(*name, *value));
            let request = request.body(()).unwrap();
            let address = request.uri().authority().unwrap().as_str().parse().unwrap();
            let reply = H2Client::connect(address).await.post(request, sent.into(), None).await;
            let whole = reply.end == End::Data;
            Seen { status: reply.status, headers: reply.headers, body: whole.then_some(reply.data) }
        }
    }
}

/// A call that is given 300 ms, and what came of it then.
async fn stopped(by: By, proxy: &Proxy, method: &str, media: &str) -> Seen {
    let clock = Stopwatch::start();
    let fields = [("content-type", media), ("x-request-timeout", "300ms")];
    let seen = call(by, proxy.url(&format!("/shop.Orders/{method}")), &fields, Vec::new()).await;
    clock.assert_due(300 * MS);
    seen
}

/// Flags and message of the one envelope that this is.
fn opened(envelope: &[u8]) -> (u8, &[u8]) {
    let (prefix, message) = envelope.split_at(5);
    assert_eq!(prefix[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
    (prefix[0], message)
}

/// Fails unless this is the last frame of gRPC-Web for a deadline that passed within the body.
#[track_caller]
fn assert_told(frame: &[u8]) {
    let (flags, block) = opened(frame);
    let text = String::from_utf8(block.to_vec()).unwrap();
    let mut lines: Vec<_> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    lines.sort_unstable();
    let told = STAGES.map(|stage| {
        let trail = format!("deadline-exceeded: origin=header, stage={stage}, cause=deadline");
        [trail, format!("grpc-message: {}", detail(stage)), "grpc-status: 4".to_owned()]
    });
    assert!(flags == 0x80 && told.iter().any(|told| lines == *told), "{flags} {lines:?}");
}

/// The same of the last envelope of Connect.
#[track_caller]
fn assert_told_by_connect(envelope: &[u8]) {
    let (flags, end) = opened(envelope);
    let end: Value = serde_json::from_slice(end).unwrap();
    let told = STAGES.map(|stage| {
        let trail = format!("origin=header, stage={stage}, cause=deadline");
        let error = json!({"code": "deadline_exceeded", "message": detail(stage)});
        json!({"error": error, "metadata": {"deadline-exceeded": [trail]}})
    });
    assert!(flags == 2 && told.contains(&end), "{flags} {end}");
}

/// Where a body is that waits for its upstream: there, unless it was let go of from outside a moment before (R13b).
const STAGES: [&str; 2] = ["upstream", "response_body"];

fn detail(stage: &str) -> String {
    format!("deadline of 300 ms exceeded in stage {stage}")
}

// R14
#[tokio::test]
async fn bodies_pass_byte_for_byte_both_ways() {
    let (server, _) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    // A message of every byte there is, and the frame of trailers.
    let every: Vec<u8> = (0..=255).collect();
    let plain = [&[0, 0, 0, 1, 0][..], &every, b"\x80\0\0\0\x0fgrpc-status: 0\r\n"].concat();
    let text = [STANDARD.encode(&plain[..261]), STANDARD.encode(&plain[261..])].concat();
    for by in VERSIONS {
        for (media, sent) in [(WEB, plain.clone()), (WEB_TEXT, text.clone().into()), (CONNECT, plain.clone())] {
            let fields = [("content-type", media), ("x-request-timeout", "10s"), ("x-grpc-web", "1")];
            let seen = call(by, proxy.url("/shop.Orders/Echo"), &fields, sent.clone()).await;
            assert_eq!((seen.status, &seen.headers["content-type"]), (200, &media.parse().unwrap()));
            assert_eq!(seen.body, Some(sent), "{by:?} {media}");
        }
    }
}

/// In pieces that fall anywhere, also within a prefix.
#[tokio::test]
async fn the_place_of_the_status_is_found_however_the_body_is_cut() {
    let server = Server::answering(|_| async {
        let (send, frames) = unbounded_channel::<Result<_, Infallible>>();
        tokio::spawn(async move {
            for byte in MESSAGE.repeat(3).into_bytes() {
                let _ = send.send(Ok(Frame::data(Bytes::from(vec![byte]))));
                tokio::task::yield_now().await;
            }
            // Until the client is gone: the stream does not end by itself.
            send.closed().await;
        });
        let stream: AnyBody = body(StreamBody::new(tokio_stream::wrappers::UnboundedReceiverStream::new(frames)));
        Response::builder().header("content-type", WEB).body(stream).unwrap()
    })
    .await;
    let proxy = Proxy::to(server.address).await;
    for by in VERSIONS {
        let seen = stopped(by, &proxy, "Any", WEB).await;
        let body = seen.body.unwrap();
        let (messages, last) = body.split_at(3 * MESSAGE.len());
        assert_eq!(messages, MESSAGE.repeat(3).as_bytes());
        assert_told(last);
    }
}

#[tokio::test]
async fn between_two_messages_the_body_ends_in_the_status_and_the_upstream_is_left() {
    let (server, mut probes) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    for by in VERSIONS {
        let seen = stopped(by, &proxy, "Message", WEB).await;
        assert_eq!((seen.status, seen.headers.contains_key("grpc-status")), (200, false));
        let body = seen.body.unwrap();
        assert_eq!(&body[..MESSAGE.len()], MESSAGE.as_bytes());
        assert_told(&body[MESSAGE.len()..]);

        let seen = stopped(by, &proxy, "Text", WEB_TEXT).await;
        let body = seen.body.unwrap();
        assert_eq!(&body[..TEXT.len()], TEXT.as_bytes());
        assert_told(&STANDARD.decode(&body[TEXT.len()..]).unwrap());

        let seen = stopped(by, &proxy, "Message", CONNECT).await;
        let body = seen.body.unwrap();
        assert_told_by_connect(&body[MESSAGE.len()..]);
        for _ in 0..3 {
            let probe = soon("a call at the upstream", probes.recv()).await.unwrap();
            eventually("the upstream is left", || probe.is_dropped()).await;
        }
    }
}

#[tokio::test]
async fn within_a_message_the_body_is_broken_off() {
    let (server, _) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    for by in VERSIONS {
        for media in [WEB, CONNECT] {
            assert_eq!(stopped(by, &proxy, "Half", media).await.body, None, "{by:?} {media}");
        }
    }
}

#[tokio::test]
async fn before_the_head_grpc_web_is_told_in_a_head_without_a_body() {
    let (server, _) = upstream().await;
    let proxy = Proxy::with(server.address, &["--hop", "edge"]).await;
    for by in VERSIONS {
        for media in [WEB, WEB_TEXT, "application/grpc-web"] {
            let seen = stopped(by, &proxy, "Never", media).await;
            assert_eq!((seen.status, seen.body), (200, Some(Vec::new())));
            let field = |name: &str| seen.headers[name].to_str().unwrap();
            assert_eq!((field("content-type"), field("grpc-status")), (media, "4"));
            assert_eq!(field("grpc-message"), "deadline of 300 ms exceeded in stage upstream");
            let trail = r#"origin=header, stage=upstream, cause=deadline, hop="edge""#;
            assert_eq!(field("deadline-exceeded"), trail);
        }
    }
}

#[tokio::test]
async fn before_the_head_connect_is_told_in_json() {
    let (server, _) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    let error = json!({"code": "deadline_exceeded", "message": "deadline of 300 ms exceeded in stage upstream"});
    for by in VERSIONS {
        let one =
            [("content-type", "application/proto"), ("connect-protocol-version", "1"), ("connect-timeout-ms", "300")];
        let seen = call(by, proxy.url("/shop.Orders/Never"), &one, Vec::new()).await;
        assert_eq!((seen.status, &seen.headers["content-type"]), (504, &"application/json".parse().unwrap()));
        assert_eq!(serde_json::from_slice::<Value>(&seen.body.unwrap()).unwrap(), error);

        let seen = stopped(by, &proxy, "Never", CONNECT).await;
        assert_eq!((seen.status, &seen.headers["content-type"]), (200, &CONNECT.parse().unwrap()));
        let body = seen.body.unwrap();
        let (flags, end) = opened(&body);
        assert_eq!((flags, serde_json::from_slice::<Value>(end).unwrap()), (2, json!({"error": error})));
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_and_a_timeout_that_cannot_be_read_are_told_alike() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::to(nobody).await;
    for by in VERSIONS {
        for (timeout, code, word) in [("5s", "14", "unavailable"), ("abc", "13", "internal")] {
            let fields = [("content-type", WEB), ("x-request-timeout", timeout)];
            let seen = call(by, proxy.url("/shop.Orders/Any"), &fields, Vec::new()).await;
            assert_eq!((seen.status, &seen.headers["grpc-status"]), (200, &code.parse().unwrap()));

            let fields = [("content-type", CONNECT), ("x-request-timeout", timeout)];
            let seen = call(by, proxy.url("/shop.Orders/Any"), &fields, Vec::new()).await;
            let end: Value = serde_json::from_slice(opened(&seen.body.unwrap()).1).unwrap();
            assert_eq!((seen.status, &end["error"]["code"]), (200, &json!(word)));
        }
    }
}
