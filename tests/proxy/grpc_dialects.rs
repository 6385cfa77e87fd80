//! Timeouts between HTTP and gRPC: what comes in as one leaves as the other (R6, R9).

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_deadline::Dialect;

use crate::support::{H2Client, MS, Proxy, Server, body, soon, timeout};

/// What a caller says that it speaks, and what its upstream is then told besides the field of HTTP.
const PROTOCOLS: [(&str, Option<Dialect>); 7] = [
    ("application/grpc", Some(Dialect::GrpcTimeout)),
    ("application/grpc+proto", Some(Dialect::GrpcTimeout)),
    ("application/grpc-web+proto", Some(Dialect::GrpcTimeout)),
    ("application/grpc-web-text", Some(Dialect::GrpcTimeout)),
    ("application/connect+json", Some(Dialect::ConnectTimeout)),
    ("application/json", None),
    ("text/plain", None),
];

/// An upstream of any protocol, and the heads that it got.
async fn upstream() -> (Server, UnboundedReceiver<HeaderMap>) {
    let (tell, heads) = unbounded_channel();
    let server = Server::answering(move |request| {
        let _ = tell.send(request.headers().clone());
        async { Response::new(body(Full::from("ok\n"))) }
    })
    .await;
    (server, heads)
}

/// The head at the upstream of a call with these fields.
async fn sent(proxy: &Proxy, heads: &mut UnboundedReceiver<HeaderMap>, fields: &[(&str, &str)]) -> HeaderMap {
    let mut request = Request::post(proxy.url("/shop.Orders/Buy"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let reply = H2Client::connect(proxy.address).await.post(request.body(()).unwrap(), Bytes::new(), None).await;
    assert_eq!(reply.status, 200, "{fields:?}: {reply:?}");
    soon("a call at the upstream", heads.recv()).await.unwrap()
}

/// The dialects that stand in a head, each of which says the same.
fn said(head: &HeaderMap) -> Vec<Dialect> {
    let said = Dialect::ALL.into_iter().filter(|dialect| head.contains_key(dialect.as_str()));
    said.inspect(|dialect| {
        let left = timeout(head, *dialect);
        assert!((MS..2_000 * MS).contains(&left), "{dialect}: {left:?}");
    })
    .collect()
}

#[tokio::test]
async fn whatever_a_timeout_came_in_as_it_leaves_in_the_words_of_the_protocol() {
    let (server, mut heads) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    for (media, own) in PROTOCOLS {
        for asked in [
            ("x-request-timeout", "2s"),
            ("grpc-timeout", "2S"),
            ("connect-timeout-ms", "2000"),
            ("x-envoy-expected-rq-timeout-ms", "2000"),
        ] {
            let head = sent(&proxy, &mut heads, &[("content-type", media), asked]).await;
            let expected: Vec<_> = [Dialect::XRequestTimeout].into_iter().chain(own).collect();
            assert_eq!(said(&head), expected, "{media} {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_message_of_connect_is_told_by_its_version() {
    let (server, mut heads) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    let version = ("connect-protocol-version", "1");
    let fields = [("content-type", "application/json"), version, ("grpc-timeout", "2S")];
    let head = sent(&proxy, &mut heads, &fields).await;
    assert_eq!(said(&head), [Dialect::XRequestTimeout, Dialect::ConnectTimeout]);
    assert_eq!(head["connect-protocol-version"], "1");
}

// R6
#[tokio::test]
async fn of_several_dialects_the_strictest_leaves_in_all_words() {
    let (server, mut heads) = upstream().await;
    let proxy = Proxy::to(server.address).await;
    for strictest in [("x-request-timeout", "2s"), ("grpc-timeout", "2000m"), ("connect-timeout-ms", "2000")] {
        let others = [("grpc-timeout", "9S"), ("x-request-timeout", "1m"), ("connect-timeout-ms", "9000")];
        let others = others.into_iter().filter(|(name, _)| *name != strictest.0);
        let fields: Vec<_> = others.chain([strictest, ("content-type", "application/grpc")]).collect();
        let head = sent(&proxy, &mut heads, &fields).await;
        assert_eq!(said(&head), [Dialect::XRequestTimeout, Dialect::GrpcTimeout], "{strictest:?}");
    }
}

#[tokio::test]
async fn the_policys_default_is_told_in_the_words_of_the_protocol_too() {
    let (server, mut heads) = upstream().await;
    let proxy = Proxy::with(server.address, &["--timeout", "2s"]).await;
    for (media, own) in PROTOCOLS {
        let head = sent(&proxy, &mut heads, &[("content-type", media)]).await;
        let expected: Vec<_> = [Dialect::XRequestTimeout].into_iter().chain(own).collect();
        assert_eq!(said(&head), expected, "{media}");
    }
}
