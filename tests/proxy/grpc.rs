//! gRPC over HTTP/2 with prior knowledge, on both sides of the proxy (R13, R24, §7).

use std::future::pending;

use bytes::Bytes;
use deadline_testkit::{BodyProbe, Probe, Step};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower_deadline::Dialect;

use super::vectors;
use crate::support::{
    AnyBody, End, H2Client, MS, Proxy, Reply, Server, Stopwatch, body, eventually, scripted, soon, timeout,
};

const MESSAGE: &str = "\0\0\0\0\x05hello";

/// An upstream that speaks gRPC, and the heads of the requests that it got.
struct Orders {
    server: Server,
    heads: UnboundedReceiver<HeaderMap>,
    /// The calls of `Never`.
    never: Probe,
    /// The bodies of `Flood`.
    floods: UnboundedReceiver<BodyProbe>,
}

impl Orders {
    async fn start() -> Self {
        let (tell, heads) = unbounded_channel();
        let (tell_flood, floods) = unbounded_channel();
        let never = Probe::default();
        let probe = never.clone();
        let page: &'static str = "x".repeat(0x10000).leak();
        let server = Server::answering(move |request| {
            let _ = tell.send(request.headers().clone());
            let (probe, tell_flood) = (probe.clone(), tell_flood.clone());
            async move {
                let (head, incoming) = request.into_parts();
                match head.uri.path() {
                    "/shop.Orders/Never" => probe.watch(pending()).await,
                    "/shop.Orders/Stream" => grpc(scripted([Step::Data(MESSAGE), Step::Stall]).0),
                    "/shop.Orders/Flood" => {
                        let (flood, probe) = scripted(vec![Step::Data(page); 1_000]);
                        let _ = tell_flood.send(probe);
                        grpc(flood)
                    }
                    "/shop.Orders/Half" => grpc(scripted([Step::Data("\0\0\0\0\x05hel"), Step::Stall]).0),
                    _ => grpc(body(incoming)),
                }
            }
        })
        .await;
        Self { server, heads, never, floods }
    }

    async fn head(&mut self) -> HeaderMap {
        soon("a call at the upstream", self.heads.recv()).await.unwrap()
    }
}

fn grpc(body: AnyBody) -> Response<AnyBody> {
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

async fn call(proxy: &Proxy, method: &str, timeout: Option<&str>) -> Reply {
    let mut request = Request::post(proxy.url(&format!("/shop.Orders/{method}")))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let mut client = H2Client::connect(proxy.address).await;
    let trailers = [("x-checksum", "42"), ("x-trace-bin", "AAH+/w"), ("x-trace-bin", "AAE=")];
    let trailers = trailers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let trailers = HeaderMap::from_iter(trailers);
    client.post(request.body(()).unwrap(), Bytes::from_static(MESSAGE.as_bytes()), Some(trailers)).await
}

fn status(fields: &HeaderMap) -> &str {
    fields.get("grpc-status").and_then(|status| status.to_str().ok()).unwrap_or("none")
}

#[tokio::test]
async fn a_call_passes_with_its_trailers_and_less_time() {
    let mut orders = Orders::start().await;
    let proxy = Proxy::to(orders.server.address).await;
    let reply = call(&proxy, "Echo", Some("2S")).await;
    assert_eq!((reply.status, reply.data.as_slice()), (200, MESSAGE.as_bytes()));
    let End::Trailers(trailers) = reply.end else { panic!("{:?}", reply.end) };
    assert_eq!(trailers["x-checksum"], "42");
    assert_eq!(trailers.get_all("x-trace-bin").iter().collect::<Vec<_>>(), ["AAH+/w", "AAE="]);
    let head = orders.head().await;
    for dialect in [Dialect::GrpcTimeout, Dialect::XRequestTimeout] {
        let left = timeout(&head, dialect);
        assert!((MS..2_000 * MS).contains(&left), "{dialect}: {left:?}");
    }
    assert_eq!(head["te"], "trailers");
}

#[tokio::test]
async fn before_the_head_the_answer_is_trailers_only() {
    let orders = Orders::start().await;
    let proxy = Proxy::with(orders.server.address, &["--hop", "edge"]).await;
    let clock = Stopwatch::start();
    let reply = call(&proxy, "Never", Some("300m")).await;
    clock.assert_due(300 * MS);
    assert_eq!((reply.status, reply.data.len(), reply.end), (200, 0, End::Data));
    assert_eq!((status(&reply.headers), &reply.headers["content-type"]), ("4", &"application/grpc".parse().unwrap()));
    assert_eq!(reply.headers["grpc-message"], "deadline of 300 ms exceeded in stage upstream");
    let trail = r#"origin=header, stage=upstream, cause=deadline, hop="edge""#;
    assert_eq!(reply.headers["deadline-exceeded"], trail);
    eventually("the call at the upstream is dropped", || orders.never.dropped() == 1).await;
}

#[tokio::test]
async fn within_the_body_the_stream_ends_with_a_status_and_is_not_reset() {
    let orders = Orders::start().await;
    let proxy = Proxy::to(orders.server.address).await;
    let case = &vectors::cases()["deadline_header_hop_safety-010"];
    for (method, got) in [("Stream", MESSAGE), ("Half", "\0\0\0\0\x05hel")] {
        let clock = Stopwatch::start();
        let reply = call(&proxy, method, Some("300m")).await;
        clock.assert_due(300 * MS);
        assert_eq!((reply.status, status(&reply.headers), reply.data.as_slice()), (200, "none", got.as_bytes()));
        let End::Trailers(trailers) = reply.end else { panic!("{:?}", reply.end) };
        assert_eq!(status(&trailers), case["out"]["trailers"]["grpc-status"].as_str().unwrap());
    }
}

// R13b
#[tokio::test]
async fn who_reads_late_gets_the_status_all_the_same() {
    let mut orders = Orders::start().await;
    let proxy = Proxy::to(orders.server.address).await;
    let (mut client, clock) = (H2Client::connect(proxy.address).await, Stopwatch::start());
    let request = Request::post(proxy.url("/shop.Orders/Flood")).header("content-type", "application/grpc");
    let request = request.header("grpc-timeout", "300m").body(()).unwrap();
    let (response, _) = client.open(request, true).await;
    let flood = soon("a call at the upstream", orders.floods.recv()).await.unwrap();
    eventually("the upstream is left", || flood.is_dropped()).await;
    clock.assert_due(300 * MS);
    let reply = H2Client::reply(response).await;
    assert!(!reply.data.is_empty() && reply.data.len() < 1_000 * 0x10000, "{} bytes", reply.data.len());
    let End::Trailers(trailers) = reply.end else { panic!("{:?}", reply.end) };
    assert_eq!(status(&trailers), "4");
}

#[tokio::test]
async fn the_policys_default_does_not_end_a_stream_of_messages() {
    let orders = Orders::start().await;
    let proxy = Proxy::with(orders.server.address, &["--timeout", "300ms"]).await;
    let mut client = H2Client::connect(proxy.address).await;
    let request = Request::post(proxy.url("/shop.Orders/Stream")).header("content-type", "application/grpc");
    let (response, _stream) = client.open(request.body(()).unwrap(), false).await;
    let (head, mut body) = soon("a head", response).await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(soon("a message", body.data()).await.unwrap().unwrap(), MESSAGE);
    let more = tokio::time::timeout(900 * MS, body.data()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_internal_and_does_not_touch_the_upstream() {
    let orders = Orders::start().await;
    let proxy = Proxy::to(orders.server.address).await;
    for malformed in ["abc", "+5S", "123456789S"] {
        let reply = call(&proxy, "Echo", Some(malformed)).await;
        assert_eq!((reply.status, status(&reply.headers)), (200, "13"), "{malformed}");
    }
    let expired = call(&proxy, "Echo", Some("0S")).await;
    assert_eq!((expired.status, status(&expired.headers)), (200, "4"));
    assert_eq!(orders.server.accepted(), 0);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::to(nobody).await;
    let reply = call(&proxy, "Echo", Some("5S")).await;
    assert_eq!((reply.status, status(&reply.headers)), (200, "14"));
}

/// R18: only the policy's default, which covers no stream of gRPC and is no reason for its end.
#[tokio::test]
async fn a_stream_that_only_a_default_has_let_go_of_breaks_off_as_its_upstream_does() {
    let server = Server::answering(|_| async {
        let (tell, frames) = unbounded_channel::<Result<Frame<Bytes>, std::io::Error>>();
        tokio::spawn(async move {
            let _ = tell.send(Ok(Frame::data(Bytes::from_static(MESSAGE.as_bytes()))));
            // Until the default has passed.
            tokio::time::sleep(900 * MS).await;
            let _ = tell.send(Err(std::io::Error::other("crashed")));
        });
        grpc(body(StreamBody::new(UnboundedReceiverStream::new(frames))))
    })
    .await;
    let proxy = Proxy::with(server.address, &["--timeout", "300ms"]).await;
    let reply = call(&proxy, "Any", None).await;
    assert!(matches!(reply.end, End::Reset(_)), "{:?}", reply.end);
}
