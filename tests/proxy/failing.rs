//! Attempts that do not mix: what one of them had is not seen in the next, and what is no failure is not sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use hyper::body::Incoming;

use crate::support::{
    Act, Asked, End, H2Client, Http1Client, MS, Mirror, Place, Proxy, Server, Then, Visit, body, curl,
};

const WHOLE: Duration = Duration::from_secs(5);

const RETRIES: &str = "[policy.default]\nretries = 2\nbackoff = \"20ms\"\n";

#[tokio::test]
async fn nothing_of_an_answer_that_was_passed_over_is_seen_in_the_next() {
    let first = "HTTP/1.1 503 So\r\ntransfer-encoding: chunked\r\ntrailer: x-first\r\nx-first: 1\r\nset-cookie: first\r\n\
        \r\n6\r\nfirst\n\r\n0\r\nx-first: 2\r\n\r\n";
    let second = "HTTP/1.1 200 So\r\ntransfer-encoding: chunked\r\nx-second: 1\r\n\r\n7\r\nsecond\n\r\n0\r\n\r\n";
    let a = Mirror::start(move |_, _| Act::now(Then::Answer(first.to_owned())));
    let b = Mirror::start(move |_, _| Act::now(Then::Answer(second.to_owned())));
    let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], "[[route]]\nupstream = \"a|b\"\n").await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let answer = curl(&[version, "-H", "TE: trailers", "-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
        assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, "second\n"), "{version}");
        assert_eq!(answer.field("x-second"), "1");
        let leaks: Vec<_> = ["x-first", "set-cookie", "trailer"]
            .iter()
            .filter(|name| answer.headers.contains_key(**name))
            .collect();
        assert!(leaks.is_empty(), "{version}: {leaks:?}");
    }
}

/// An answer without messages, whose status is in its head, or one message and then this status.
fn grpc(status: &'static str, messages: usize) -> Response<crate::support::AnyBody> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
    let answer = Response::builder().header("content-type", "application/grpc");
    if messages == 0 {
        return answer.header("grpc-status", status).body(body(Empty::new())).unwrap();
    }
    let frames = [Frame::data(Bytes::from_static(b"\0\0\0\0\x01m")), Frame::trailers(trailers)];
    let frames = tokio_stream::iter(frames.map(Ok::<_, std::convert::Infallible>));
    answer.body(body(StreamBody::new(frames))).unwrap()
}

#[tokio::test]
async fn a_call_that_says_unavailable_is_not_made_again() {
    for messages in [0, 1] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let server = Server::answering(move |_: Request<Incoming>| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { grpc("14", messages) }
        })
        .await;
        let rest = format!(
            "http = \"2\"\n{RETRIES}[[route]]\nupstream = \"a|b\"\n[upstream.b]\ntargets = \"http://127.0.0.1:1\"\n"
        );
        let proxy = Proxy::of(&[("a", server.address)], &rest).await;
        let request = Request::post(proxy.url("/shop.Orders/Buy")).header("content-type", "application/grpc");
        let request = request.header("te", "trailers").header("grpc-timeout", "5S").body(()).unwrap();
        let reply = H2Client::connect(proxy.address).await.post(request, Bytes::from_static(b"\0\0\0\0\0"), None).await;
        let status = match &reply.end {
            End::Trailers(trailers) => trailers["grpc-status"].clone(),
            _ => reply.headers["grpc-status"].clone(),
        };
        assert_eq!((reply.status, status.to_str().unwrap()), (200, "14"), "{reply:?}");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

const HANDSHAKE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello\n";

#[tokio::test]
async fn a_websocket_goes_on_to_the_next_where_nobody_was_reached_and_only_there() {
    let sockets = || Mirror::start(|_: &Visit, _| Act::now(Then::Answer(SWITCHED.to_owned())));
    let nobody = Place::take();
    let busy = Mirror::start(|_, _| Act::answer(503, "", "busy\n"));
    let closing = Mirror::start(|_, _| Act::now(Then::Close));
    for (first, status) in [(nobody.address, 101), (busy.address, 503), (closing.address, 502)] {
        let second = sockets();
        let rest = format!("{RETRIES}[[route]]\nupstream = \"a|b\"\nupgrade = [\"websocket\"]\n");
        let proxy = Proxy::of(&[("a", first), ("b", second.address)], &rest).await;
        let mut client = Http1Client::connect(proxy.address).await;
        client.get("/", &format!("{HANDSHAKE}x-request-timeout: 5s\r\n")).await;
        assert_eq!(client.head().await.status(), status);
        if status == 101 {
            client.until("hello\n").await;
        }
        assert_eq!(second.visits().len(), usize::from(status == 101), "{status}");
    }
    assert_eq!((busy.visits().len(), closing.visits().len()), (1, 1));
}

#[tokio::test]
async fn each_try_is_told_less_than_the_one_before() {
    let fail = |_: &Visit, _| Act { after: 30 * MS, ..Act::answer(503, "", "busy\n") };
    let (a, b) = (Mirror::start(fail), Mirror::start(fail));
    let rest = format!("{RETRIES}[[route]]\nupstream = \"a|b\"\n");
    let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], &rest).await;
    let told = Asked::get("/", WHOLE).put(&mut Http1Client::connect(proxy.address).await).await;
    assert_eq!(told.status(), 503);
    let left: Vec<_> = a.visits().iter().chain(&b.visits()).map(|visit| visit.head.timeout()).collect();
    assert_eq!(left.len(), 4, "one of the first, and three of the last: {left:?}");
    assert!(left[0] <= WHOLE);
    // It took so long to answer; before a retry it was waited for half of the back-off at least. Cut off to 1 ms.
    for (pair, apart) in left.windows(2).zip([30, 40, 50].map(|millis| (millis - 1) * MS)) {
        assert!(pair[1] + apart <= pair[0], "{left:?}");
    }
}

/// R23: whoever says that the deadline which it was sent has passed is believed; whoever has one of its own is not.
#[tokio::test]
async fn a_hop_that_ran_out_of_our_time_is_not_asked_again() {
    for (origin, status, visits) in [("header", 504, 0), ("policy", 200, 1)] {
        let late = format!("deadline-exceeded: origin={origin}, stage=upstream, cause=deadline, hop=\"next\"\r\n");
        let a = Mirror::start(move |_, _| Act::answer(504, &late, "late\n"));
        let b = Mirror::start(|_, _| Act::answer(200, "", "b\n"));
        let rest = format!("{RETRIES}[[route]]\nupstream = \"a|b\"\n");
        let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], &rest).await;
        let told = Asked::get("/", WHOLE).put(&mut Http1Client::connect(proxy.address).await).await;
        assert_eq!((told.status(), a.visits().len(), b.visits().len()), (status, 1, visits), "{origin}: {told:?}");
    }
}
