//! The two places of a `DeadlineLayer` on a server of tonic: outside of it, and under its builder.

use h2::Reason;
use http::Request as HttpRequest;
use hyper::body::Incoming;
use tonic::transport::Server as TonicServer;
use tower::ServiceExt;
use tower_deadline::admit::TONIC_GUARD;
use tower_deadline::{DeadlineLayer, Policy};

use super::*;
use crate::support::{End, H2Client, MS, Reply, Server, Stopwatch, eventually};

/// Outside of tonic: its routes on a server of hyper, which know no timeout of tonic's.
pub(super) async fn outside(shop: Shop) -> SocketAddr {
    let layer = DeadlineLayer::new(Policy::new()).hop("orders");
    let service = ServiceBuilder::new().layer(layer).service(routes(shop).prepare());
    Server::serving(service.map_request(|request: HttpRequest<Incoming>| request)).await.address
}

/// Under the builder of its server, where its own timeout stands outside.
pub(super) async fn under_the_builder(shop: Shop) -> SocketAddr {
    let (address, incoming) = listen().await;
    let layer = DeadlineLayer::new(Policy::new()).hop("orders").grpc_guard(TONIC_GUARD);
    let server = TonicServer::builder().layer(layer).add_service(OrdersServer::new(shop));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// A message of one string, as it goes over the wire.
pub(super) fn message(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let field = if text.is_empty() { Vec::new() } else { [&[0x0a, length], text.as_bytes()].concat() };
    [&[0, 0, 0, 0, u8::try_from(field.len()).unwrap()], field.as_slice()].concat()
}

/// Calls a method with this timeout, and keeps none of its own.
pub(super) async fn call(client: &mut H2Client, method: &str, timeout: &str, text: &str) -> Reply {
    let request = HttpRequest::post(format!("http://orders/shop.Orders/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout);
    client.post(request.body(()).unwrap(), message(text).into(), None).await
}

/// The code that a call ends with, in its head or in its trailers.
pub(super) fn code(reply: &Reply) -> String {
    let fields = match &reply.end {
        End::Trailers(trailers) => trailers,
        _ => &reply.headers,
    };
    fields.get("grpc-status").map_or("none", |code| code.to_str().unwrap()).to_owned()
}

#[tokio::test]
async fn a_method_that_never_answers_ends_at_the_deadline_and_is_dropped() {
    let shop = Shop::default();
    for (address, due) in [(outside(shop.clone()).await, 300 * MS), (under_the_builder(shop.clone()).await, 298 * MS)] {
        let mut client = H2Client::connect(address).await;
        let clock = Stopwatch::start();
        let reply = call(&mut client, "Buy", "300m", "never").await;
        clock.assert_due(due);
        assert_eq!((reply.status, code(&reply).as_str()), (200, "4"));
        let trail = "origin=header, stage=handler, cause=deadline, hop=\"orders\"";
        assert_eq!(reply.headers["deadline-exceeded"], trail);
        eventually("the method is dropped", || shop.never.in_flight() == 0).await;
    }
    assert_eq!((shop.never.called(), shop.never.dropped()), (2, 2));
}

// R13
#[tokio::test]
async fn a_stream_that_stalls_ends_in_trailers_and_without_a_reset() {
    for (address, due) in
        [(outside(Shop::default()).await, 300 * MS), (under_the_builder(Shop::default()).await, 298 * MS)]
    {
        let mut client = H2Client::connect(address).await;
        let clock = Stopwatch::start();
        let reply = call(&mut client, "Track", "300m", "").await;
        clock.assert_due(due);
        assert_ne!(reply.end, End::Reset(Reason::CANCEL));
        assert_eq!((code(&reply).as_str(), reply.data), ("4", message("packed")));
    }
}

// R10
#[tokio::test]
async fn what_the_guard_leaves_nothing_of_is_not_called() {
    let shop = Shop::default();
    let mut client = H2Client::connect(under_the_builder(shop.clone()).await).await;
    let reply = call(&mut client, "Buy", "2m", "never").await;
    assert_eq!((code(&reply).as_str(), shop.never.called()), ("4", 0));
    assert_eq!(reply.headers["deadline-exceeded"], "origin=header, stage=arrival, cause=deadline, hop=\"orders\"");
}
