//! tonic, unchanged, on both sides.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use deadline_testkit::Probe;
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt, once, pending};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tower::ServiceBuilder;
use tower_deadline::propagate::Propagate;
use tower_deadline::{Deadline, PropagateLayer, now};

mod channel;
mod interceptor;
mod mounts;
mod races;

/// What the build script made.
#[expect(unused_qualifications, unreachable_pub, clippy::allow_attributes, reason = "generated code has its own style")]
mod shop {
    tonic::include_proto!("shop.Orders");
}

use shop::orders_client::OrdersClient;
use shop::orders_server::{Orders, OrdersServer};

/// A service that does what it is told by name.
#[derive(Clone, Default)]
struct Shop {
    /// The calls that never end.
    never: Probe,
}

type Tracked = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

#[tonic::async_trait]
impl Orders for Shop {
    /// `fields`: the deadline fields of the call. `never`: nothing. A number: after so many microseconds.
    async fn buy(&self, request: Request<String>) -> Result<Response<String>, Status> {
        let fields = request.metadata().clone().into_headers();
        match request.into_inner().as_str() {
            "fields" => return Ok(Response::new(written(&fields))),
            "never" => self.never.watch(std::future::pending::<()>()).await,
            micros => {
                let micros = micros.parse().map_err(|_| Status::invalid_argument("a number"))?;
                tokio::time::sleep(Duration::from_micros(micros)).await;
            }
        }
        Ok(Response::new("bought".to_owned()))
    }

    type TrackStream = Tracked;

    /// One message, and then no other, and no end.
    async fn track(&self, _: Request<String>) -> Result<Response<Tracked>, Status> {
        Ok(Response::new(Box::pin(once(Ok("packed".to_owned())).chain(pending()))))
    }
}

/// The deadline fields, as text.
fn written(fields: &HeaderMap) -> String {
    let field = |name: &str| fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned();
    format!("{} {}", field("grpc-timeout"), field("x-request-timeout"))
}

/// A server of tonic as it is made, without a layer of ours.
async fn plain(shop: Shop) -> SocketAddr {
    let (address, incoming) = listen().await;
    let server = tonic::transport::Server::builder().add_service(OrdersServer::new(shop));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn listen() -> (SocketAddr, TcpListenerStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpListenerStream::new(listener))
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

type Client = OrdersClient<Propagate<Channel>>;

/// A client that propagates.
fn propagating(channel: Channel) -> Client {
    OrdersClient::new(ServiceBuilder::new().layer(PropagateLayer::new()).service(channel))
}

fn after(budget: Duration) -> Deadline {
    Deadline::after(now(), budget)
}

/// A message with a deadline of its own.
fn within(budget: Duration, message: &str) -> Request<String> {
    let mut request = Request::new(message.to_owned());
    request.extensions_mut().insert(after(budget));
    request
}

fn routes(shop: Shop) -> Routes {
    Routes::new(OrdersServer::new(shop))
}
