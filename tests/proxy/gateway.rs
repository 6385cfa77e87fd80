//! The defect that this proxy exists to end, as it is met: a gateway that streams JSON and gRPC on one port, behind an
//! ingress that adds `Upgrade: h2c` and `Connection: upgrade` to every request (R32).

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy, split};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::support::{AnyBody, End, H2Client, Http1Client, MS, Proxy, Server, body};

/// Of each kind.
const STREAMS: usize = 500;
/// How many of a kind are under way at once, and how many of those share a connection of HTTP/2.
const AT_ONCE: usize = 100;
const A_CONNECTION: usize = 25;

const MESSAGES: usize = 5;
const PAUSE: Duration = Duration::from_millis(3);

/// All of it, on a machine that is busy.
const BOUND: Duration = Duration::from_secs(30);

/// What an ingress adds, and what clients send by themselves.
const WISHES: [&str; 4] = [
    "Upgrade: h2c\r\nConnection: upgrade\r\n",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
    "Connection: keep-alive, Upgrade\r\nConnection: HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n",
    "Upgrade: h2c\r\n",
];

/// The handshake of a socket, with the key of RFC 6455 §1.3, and what it is answered with.
const SOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn line(stream: usize, number: usize) -> String {
    format!("{{\"result\":{{\"stream\":{stream},\"message\":{number}}}}}\n")
}

fn message(stream: usize, number: usize) -> Vec<u8> {
    let text = line(stream, number);
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[0][..], &length, text.as_bytes()].concat()
}

/// A gateway whose streams end early for whoever wishes to switch protocols, as they do where such a wish arrives.
async fn gateway() -> Server {
    Server::answering(|request: Request<Incoming>| async move {
        let (path, headers) = (request.uri().path(), request.headers());
        let wishes = ["upgrade", "connection", "http2-settings"].iter().any(|name| headers.contains_key(*name));
        let (kind, stream) = path.rsplit_once('/').unwrap_or_default();
        let (stream, messages) = (stream.parse().unwrap_or_default(), if wishes { 1 } else { MESSAGES });
        match kind {
            "/v1/orders" => streaming("application/json", (0..messages).map(move |n| line(stream, n).into()), None),
            "/shop.Orders/Track" => {
                let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                streaming("application/grpc", (0..messages).map(move |n| message(stream, n)), Some(status))
            }
            "/socket" => socket(request),
            _ => Response::new(body(Full::from("ok\n"))),
        }
    })
    .await
}

/// Sends back whatever comes, once it has switched.
fn socket(request: Request<Incoming>) -> Response<AnyBody> {
    tokio::spawn(async move {
        let (mut reader, mut writer) = split(TokioIo::new(hyper::upgrade::on(request).await.unwrap()));
        copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let agreed = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT)];
    let answer = agreed
        .into_iter()
        .fold(Response::builder().status(101), |answer, (name, value)| answer.header(name, value));
    answer.body(body(Empty::new())).unwrap()
}

/// Sends each message when it is there, and not before.
fn streaming(
    media: &'static str,
    messages: impl Iterator<Item = Vec<u8>> + Send + 'static,
    trailers: Option<HeaderMap>,
) -> Response<AnyBody> {
    let (send, frames) = unbounded_channel::<Result<_, Infallible>>();
    tokio::spawn(async move {
        for message in messages {
            let _ = send.send(Ok(Frame::data(Bytes::from(message))));
            sleep(PAUSE).await;
        }
        let _ = trailers.map(|trailers| send.send(Ok(Frame::trailers(trailers))));
    });
    let stream = body(StreamBody::new(UnboundedReceiverStream::new(frames)));
    Response::builder().header("content-type", media).body(stream).unwrap()
}

/// Reads streams of JSON one after the other, on one connection.
async fn read_json(proxy: Arc<Proxy>, streams: Vec<usize>) {
    let mut client = Http1Client::connect(proxy.address).await;
    for stream in streams {
        let wish = WISHES[stream % WISHES.len()];
        client.get(&format!("/v1/orders/{stream}"), &format!("{wish}x-request-timeout: 20s\r\n")).await;
        let head = client.head().await;
        assert_eq!(head.status(), 200, "{head:?}");
        assert!(!head.headers.contains_key("upgrade"), "{head:?}");
        let chunks = client.chunks().await;
        assert_eq!(chunks.concat(), (0..MESSAGES).map(|number| line(stream, number)).collect::<String>());
        assert!(chunks.len() > 1, "not kept back on the way: each was there before the next one was made");
    }
}

/// Reads streams of gRPC, all of them at once, on one connection.
async fn read_grpc(proxy: Arc<Proxy>, streams: Vec<usize>) {
    let mut client = H2Client::connect(proxy.address).await;
    let mut open = Vec::new();
    for stream in streams {
        let request = Request::post(proxy.url(&format!("/shop.Orders/Track/{stream}")));
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        open.push((stream, client.open(request.header("grpc-timeout", "20S").body(()).unwrap(), true).await.0));
    }
    for (stream, response) in open {
        let reply = H2Client::reply(response).await;
        let expected: Vec<u8> = (0..MESSAGES).flat_map(|number| message(stream, number)).collect();
        assert_eq!((reply.status, String::from_utf8_lossy(&reply.data)), (200, String::from_utf8_lossy(&expected)));
        let End::Trailers(trailers) = reply.end else { panic!("{:?}", reply.end) };
        assert_eq!(trailers["grpc-status"], "0");
    }
}

/// Other clients of the same port, until they are told to stop.
#[derive(Default)]
struct Storm {
    is_over: AtomicBool,
    answers: [AtomicUsize; 3],
}

impl Storm {
    fn rage(self: &Arc<Self>, proxy: &Arc<Proxy>) -> [JoinHandle<()>; 3] {
        let (one, two, three) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let proxies = [0; 3].map(|_| Arc::clone(proxy));
        let [first, second, third] = proxies;
        [
            tokio::spawn(async move { one.plain(&first).await }),
            tokio::spawn(async move { two.by_http2(&second).await }),
            tokio::spawn(async move { three.sockets(&third).await }),
        ]
    }

    fn goes_on(&self, kind: usize) -> bool {
        self.answers[kind].fetch_add(1, Ordering::Relaxed);
        !self.is_over.load(Ordering::Relaxed)
    }

    async fn plain(&self, proxy: &Proxy) {
        let mut client = Http1Client::connect(proxy.address).await;
        while self.goes_on(0) {
            client.get("/", WISHES[0]).await;
            let (head, text) = client.answer().await;
            assert_eq!((head.status(), text.as_str()), (200, "ok\n"));
            sleep(MS).await;
        }
    }

    async fn by_http2(&self, proxy: &Proxy) {
        while self.goes_on(1) {
            let mut client = H2Client::connect(proxy.address).await;
            let reply = client.get(Request::get(proxy.url("/")).body(()).unwrap()).await;
            assert_eq!((reply.status, reply.data.as_slice(), reply.end), (200, &b"ok\n"[..], End::Data));
            sleep(MS).await;
        }
    }

    async fn sockets(&self, proxy: &Proxy) {
        while self.goes_on(2) {
            let mut client = Http1Client::connect(proxy.address).await;
            client.get("/socket/0", SOCKET).await;
            assert_eq!(client.head().await.status(), 101);
            for message in ["first\n", "second\n"] {
                client.send(message).await;
                client.until(message).await;
            }
            client.half_close().await;
            assert_eq!(client.rest().await, "first\nsecond\n");
            sleep(MS).await;
        }
    }
}

/// A thousand streams, of JSON by HTTP/1.1 and of gRPC by HTTP/2, five messages each.
async fn read_all(proxy: &Arc<Proxy>) {
    let mut readers = JoinSet::new();
    for first in 0..AT_ONCE {
        readers.spawn(read_json(Arc::clone(proxy), (first..STREAMS).step_by(AT_ONCE).collect()));
    }
    for connection in 0..AT_ONCE / A_CONNECTION {
        let proxy = Arc::clone(proxy);
        readers.spawn(async move {
            for wave in 0..STREAMS / AT_ONCE {
                let first = wave * AT_ONCE + connection * A_CONNECTION;
                read_grpc(Arc::clone(&proxy), (first..first + A_CONNECTION).collect()).await;
            }
        });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_are_whole_behind_an_ingress_that_wishes_for_h2c() {
    let server = gateway().await;
    let proxy = Arc::new(Proxy::with(server.address, &["--upgrade", "websocket"]).await);
    let storm = Arc::new(Storm::default());
    let raging = storm.rage(&proxy);
    timeout(BOUND, read_all(&proxy)).await.unwrap();
    storm.is_over.store(true, Ordering::Relaxed);
    for clients in raging {
        clients.await.unwrap();
    }
    // Once before each answer, and once at the end.
    let answers = storm.answers.each_ref().map(|answers| answers.load(Ordering::Relaxed));
    assert!(answers.iter().all(|answers| *answers > 2), "{answers:?}");
}

/// The defect: without the proxy the same streams end early.
#[tokio::test]
async fn the_same_gateway_breaks_the_stream_of_whoever_wishes_without_the_proxy() {
    let server = gateway().await;
    let mut client = Http1Client::connect(server.address).await;
    client.get("/v1/orders/7", WISHES[0]).await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(client.chunks().await, [line(7, 0)]);
}
