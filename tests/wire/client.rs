//! Outgoing calls of a hyper-util client, which end at the deadline wherever they wait.

use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_deadline::{
    BodyError, BoxError, Cause, Deadline, Exceeded, Origin, OriginKind, PropagateError, PropagateLayer, Stage, now,
    scope,
};

use crate::support::{Exchange, MS, Stopwatch, Upstream, soon};

/// A client that propagates, over this connector.
fn client<C>(
    connector: C,
) -> impl Service<
    Request<Empty<Bytes>>,
    Response = Response<impl Body<Data = Bytes, Error = BodyError> + std::fmt::Debug>,
    Error = PropagateError,
> + Clone
where
    C: Service<Uri, Response = TokioIo<TcpStream>, Error: Into<BoxError>, Future: Send + Unpin>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let client = Client::builder(TokioExecutor::new()).build(connector);
    ServiceBuilder::new().layer(PropagateLayer::new()).service(client)
}

fn to_sockets()
-> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send + Unpin> + Clone + Send + Sync {
    service_fn(|uri: Uri| {
        Box::pin(async move { TcpStream::connect(uri.authority().unwrap().as_str()).await.map(TokioIo::new) })
    })
}

fn to_nowhere()
-> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send + Unpin> + Clone + Send + Sync {
    service_fn(|_| pending())
}

fn deadline(after: Duration) -> Deadline {
    Deadline::after(now(), after).with_origin(Origin::code())
}

fn assert_exceeded(exceeded: &Exceeded, stage: Stage) {
    assert_eq!((exceeded.stage(), exceeded.cause()), (stage, Cause::Deadline));
    assert_eq!((exceeded.origin().kind(), exceeded.budget()), (OriginKind::Code, 300 * MS));
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let request = Request::get(format!("http://{}/never", upstream.address))
        .header("x-request-timeout", "9s")
        .header("x-request-timeout", "8s")
        .extension(deadline(300 * MS))
        .body(Empty::new())
        .unwrap();
    let clock = Stopwatch::start();
    let outcome = soon("the end of a call", client(to_sockets()).oneshot(request)).await;
    clock.assert_due(300 * MS);
    let Err(PropagateError::Exceeded(exceeded)) = outcome else { panic!("{outcome:?}") };
    assert_exceeded(&exceeded, Stage::Upstream);
    let left = upstream.request().await.timeout();
    assert!((MS..300 * MS).contains(&left), "{left:?}");
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    upstream.assert_no_more();
}

#[tokio::test]
async fn a_connector_that_never_connects_is_left_at_the_deadline() {
    let request = Request::get("http://shop.example/").extension(deadline(300 * MS)).body(Empty::new()).unwrap();
    let clock = Stopwatch::start();
    let outcome = soon("the end of a call", client(to_nowhere()).oneshot(request)).await;
    clock.assert_due(300 * MS);
    let Err(PropagateError::Exceeded(exceeded)) = outcome else { panic!("{outcome:?}") };
    assert_exceeded(&exceeded, Stage::Upstream);
}

#[tokio::test]
async fn the_ambient_deadline_is_propagated_and_ends_the_call() {
    let mut upstream = Upstream::start().await;
    let request = Request::get(format!("http://{}/never", upstream.address)).body(Empty::new()).unwrap();
    let clock = Stopwatch::start();
    let outcome = soon("the scope", scope(deadline(300 * MS), client(to_sockets()).oneshot(request))).await;
    clock.assert_due(300 * MS);
    assert_exceeded(&outcome.unwrap_err(), Stage::Upstream);
    assert!(upstream.request().await.timeout() < 300 * MS);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn a_response_body_is_left_at_the_deadline() {
    let mut upstream = Upstream::start().await;
    let uri = format!("http://{}/stops", upstream.address);
    let request = Request::get(uri).extension(deadline(300 * MS)).body(Empty::new()).unwrap();
    let clock = Stopwatch::start();
    let response = soon("a head", client(to_sockets()).oneshot(request)).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    let first = soon("a message", body.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "message 1\n");
    let outcome = soon("the end of a body", body.frame()).await;
    clock.assert_due(300 * MS);
    let Some(Err(BodyError::Exceeded(exceeded))) = outcome else { panic!("{outcome:?}") };
    assert_exceeded(&exceeded, Stage::Upstream);
    assert!(soon("nothing more", body.frame()).await.is_none());
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}
