//! How the end of a body looks on the wire, through the bodies that frameworks box (R13).

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use deadline_testkit::{BodyProbe, ScriptedBody, Step};
use h2::Reason;
use http::{Request, Response};
use tower::{ServiceBuilder, service_fn};
use tower_deadline::{DeadlineLayer, Policy};

use super::serve;
use crate::support::{End, H2Client, Http1Client, MS, Reply, Server, Stopwatch, eventually};

/// A response that begins, and then stops.
fn stops(media: &str) -> (Response<ScriptedBody>, BodyProbe) {
    let body = ScriptedBody::new([Step::Data("first"), Step::Stall]);
    let probe = body.probe();
    (Response::builder().header("content-type", media).body(body).unwrap(), probe)
}

async fn with_axum() -> SocketAddr {
    let handler = || async { stops("text/plain").0.map(Body::new) };
    serve(Router::new().route("/", get(handler)).layer(DeadlineLayer::new(Policy::new()))).await
}

async fn with_tonic(media: &'static str) -> Server {
    let handler = service_fn(move |_| async move { Ok::<_, std::convert::Infallible>(stops(media).0) });
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(tonic::body::Body::new))
        .layer(DeadlineLayer::new(Policy::new()))
        .service(handler);
    Server::serving(service).await
}

async fn get_within_300ms(address: SocketAddr) -> Reply {
    let mut client = H2Client::connect(address).await;
    let clock = Stopwatch::start();
    let request = Request::get(format!("http://{address}/")).header("x-request-timeout", "300ms");
    let reply = client.get(request.body(()).unwrap()).await;
    clock.assert_due(300 * MS);
    assert_eq!((reply.status, reply.data.as_slice()), (200, &b"first"[..]));
    reply
}

#[tokio::test]
async fn over_http1_the_connection_ends_without_the_last_chunk() {
    for address in [with_axum().await, with_tonic("text/plain").await.address] {
        let (mut client, clock) = (Http1Client::connect(address).await, Stopwatch::start());
        client.get("/", "x-request-timeout: 300ms\r\n").await;
        assert_eq!(client.head().await.status(), 200);
        assert_eq!(client.rest().await, "5\r\nfirst\r\n");
        clock.assert_due(300 * MS);
    }
}

#[tokio::test]
async fn the_stream_is_reset_with_cancel_through_the_body_of_axum() {
    assert_eq!(get_within_300ms(with_axum().await).await.end, End::Reset(Reason::CANCEL));
}

#[tokio::test]
async fn the_stream_is_reset_with_cancel_through_the_body_of_tonic() {
    let server = with_tonic("text/plain").await;
    assert_eq!(get_within_300ms(server.address).await.end, End::Reset(Reason::CANCEL));
}

#[tokio::test]
async fn a_grpc_response_ends_with_a_status_through_the_body_of_tonic() {
    for media in ["application/grpc", "application/grpc+proto"] {
        let server = with_tonic(media).await;
        let End::Trailers(trailers) = get_within_300ms(server.address).await.end else { panic!("no trailers") };
        assert_eq!(trailers["grpc-status"], "4");
    }
}

#[tokio::test]
async fn the_inner_body_is_dropped_with_the_stream() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = move || {
        let tell = tell.clone();
        async move {
            let (response, probe) = stops("text/plain");
            let _ = tell.send(probe);
            response.map(Body::new)
        }
    };
    let address = serve(Router::new().route("/", get(handler)).layer(DeadlineLayer::new(Policy::new()))).await;
    get_within_300ms(address).await;
    let probe = told.recv().await.unwrap();
    eventually("the body is dropped", || probe.is_dropped()).await;
    assert_eq!(probe.polled_after_end(), 0);
}
