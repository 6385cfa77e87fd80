//! Bodies of requests that hardly ever have one, and trailers that no message may have (R14, R30).

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{End, H2Client, Http1Client, Proxy, Server, Upstream, body, soon};

/// What came to an upstream.
#[derive(Debug)]
struct Came {
    version: Version,
    /// `transfer-encoding`, then `content-length`.
    framing: [String; 2],
    body: String,
    trailers: HeaderMap,
}

impl Came {
    fn framed(self) -> ([String; 2], String) {
        (self.framing, self.body)
    }
}

/// An upstream, and what came to it.
struct Telling {
    server: Server,
    came: UnboundedReceiver<Came>,
}

impl Telling {
    async fn start() -> Self {
        let (tell, came) = unbounded_channel();
        let server = Server::answering(move |request: Request<Incoming>| {
            let tell = tell.clone();
            async move {
                let (head, incoming) = request.into_parts();
                let field = |name| {
                    let value = head.headers.get(name).map(|value| value.to_str().unwrap());
                    value.unwrap_or("none").to_owned()
                };
                let framing = ["transfer-encoding", "content-length"].map(field);
                if let Ok(whole) = incoming.collect().await {
                    let trailers = whole.trailers().cloned().unwrap_or_default();
                    let body = String::from_utf8(whole.to_bytes().to_vec()).unwrap();
                    let _ = tell.send(Came { version: head.version, framing, body, trailers });
                }
                Response::new(body(Empty::new()))
            }
        })
        .await;
        Self { server, came }
    }

    async fn came(&mut self) -> Came {
        soon("a request at the upstream", self.came.recv()).await.unwrap()
    }
}

/// How a request was framed, and its body.
fn told(framing: [&str; 2], body: &str) -> ([String; 2], String) {
    (framing.map(str::to_owned), body.to_owned())
}

/// hyper takes a body of unknown length for none with `GET` and `HEAD`.
// R14
#[tokio::test]
async fn a_body_reaches_the_upstream_whatever_its_method() {
    let mut upstream = Telling::start().await;
    let proxy = Proxy::to(upstream.server.address).await;
    for method in ["GET", "HEAD", "DELETE", "POST"] {
        let mut client = Http1Client::connect(proxy.address).await;
        let whole = "hello";
        for (rest, framing, body) in [
            ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ["chunked", "none"], whole),
            ("content-length: 5\r\n\r\nhello", ["none", "5"], whole),
            ("\r\n", ["none", "none"], ""),
        ] {
            client.send(&format!("{method} / HTTP/1.1\r\nhost: shop.example\r\n{rest}")).await;
            assert_eq!(client.head().await.status(), 200, "{method} {framing:?}");
            assert_eq!(upstream.came().await.framed(), told(framing, body), "{method}");
        }
        let mut client = H2Client::connect(proxy.address).await;
        for (length, framing) in [(None, ["chunked", "none"]), (Some("5"), ["none", "5"])] {
            let mut request = Request::builder().method(method).uri(proxy.url("/")).body(()).unwrap();
            request.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, length.parse().unwrap())));
            assert_eq!(client.post(request, whole.into(), None).await.status, 200, "{method} {framing:?}");
            assert_eq!(upstream.came().await.framed(), told(framing, whole), "{method}");
        }
        let request = Request::builder().method(method).uri(proxy.url("/")).body(()).unwrap();
        assert_eq!(client.get(request).await.status, 200);
        assert_eq!(upstream.came().await.framed(), told(["none", "none"], ""), "{method}");
    }
}

/// What no message may have behind its body.
const MISPLACED: [&str; 14] = [
    "connection: close",
    "content-length: 5",
    "host: b",
    "keep-alive: 5",
    "te: trailers",
    "trailer: x-a",
    "transfer-encoding: chunked",
    "upgrade: h2c",
    "proxy-authorization: x",
    "authorization: x",
    "cookie: a=b",
    "x-forwarded-for: 10.0.0.1",
    "x-request-timeout: 5s",
    "grpc-timeout: 5S",
];

/// A body whose trailers have this, too.
fn chunked(misplaced: &str) -> String {
    let name = misplaced.split(':').next().unwrap_or_default();
    format!(
        "transfer-encoding: chunked\r\ntrailer: x-checksum, {name}\r\n\r\n\
         5\r\nhello\r\n0\r\nx-checksum: 42\r\n{misplaced}\r\n\r\n"
    )
}

fn checksum() -> HeaderMap {
    HeaderMap::from_iter([("x-checksum".parse().unwrap(), "42".parse().unwrap())])
}

/// HTTP/2 ends a stream with some of them, for which the upstream would be blamed.
// R9, R30
#[tokio::test]
async fn a_request_has_no_trailers_that_its_message_depends_on() {
    let mut upstream = Telling::start().await;
    for (http, version) in [("1.1", Version::HTTP_11), ("2", Version::HTTP_2)] {
        let proxy = Proxy::with(upstream.server.address, &["--upstream-http", http]).await;
        for misplaced in MISPLACED {
            let mut client = Http1Client::connect(proxy.address).await;
            client.send(&format!("POST / HTTP/1.1\r\nhost: shop.example\r\n{}", chunked(misplaced))).await;
            assert_eq!(client.head().await.status(), 200, "{http} {misplaced}");
            let came = upstream.came().await;
            assert_eq!((came.version, came.body.as_str()), (version, "hello"));
            assert_eq!(came.trailers, checksum(), "{http} {misplaced}");
        }
    }
}

// R30
#[tokio::test]
async fn an_answer_has_no_trailers_that_its_message_depends_on() {
    for misplaced in MISPLACED {
        let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{}", chunked(misplaced))).await;
        let proxy = Proxy::to(upstream.address).await;
        let mut client = H2Client::connect(proxy.address).await;
        let reply = client.get(Request::get(proxy.url("/")).body(()).unwrap()).await;
        assert_eq!((reply.data.as_slice(), reply.end), (&b"hello"[..], End::Trailers(checksum())), "{misplaced}");
    }
}

// R30
#[tokio::test]
async fn a_trailer_that_connection_names_does_not_pass_in_either_direction() {
    let named = format!("connection: close, X-Own\r\n{}", chunked("x-own: 1"));
    let mut upstream = Telling::start().await;
    let proxy = Proxy::to(upstream.server.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.send(&format!("POST / HTTP/1.1\r\nhost: shop.example\r\n{named}")).await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(upstream.came().await.trailers, checksum());

    let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{named}")).await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = H2Client::connect(proxy.address).await;
    let reply = client.get(Request::get(proxy.url("/")).body(()).unwrap()).await;
    assert_eq!((reply.data.as_slice(), reply.end), (&b"hello"[..], End::Trailers(checksum())));
}
