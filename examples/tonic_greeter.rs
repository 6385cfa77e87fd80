//! Two greeters of tonic: a deadline comes in, and what is left of it goes out with one forwarding call.
//!
//! ```text
//! cargo run -p deadline-examples --example tonic_greeter
//! ```
//!
//! The frontend mounts the layer outside of tonic, the backend under tonic's own builder: both places work. The last
//! call is made by a client whose stack cannot be changed, but takes an interceptor.

use std::future::pending;
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tower::ServiceBuilder;
use tower_deadline::admit::TONIC_GUARD;
use tower_deadline::propagate::Propagate;
use tower_deadline::{
    BoxError, Deadline, DeadlineLayer, Policy, PropagateError, PropagateLayer, now, remaining, scope,
};

/// What the build script made.
#[expect(unused_qualifications, unreachable_pub, clippy::allow_attributes, reason = "generated code has its own style")]
mod hello {
    tonic::include_proto!("hello.Greeter");
}

use hello::greeter_client::GreeterClient;
use hello::greeter_server::{Greeter, GreeterServer};

type Client = GreeterClient<Propagate<Channel>>;

/// Whatever is left of the deadline goes along with each call, and bounds it here: waiting in the channel's buffer,
/// connecting, the head, and the stream that follows. (Only the wait for room in that buffer, where it is full, comes
/// before the call: a `scope` around it ends that, too.)
fn client(address: SocketAddr) -> Result<Client, BoxError> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    Ok(GreeterClient::new(ServiceBuilder::new().layer(PropagateLayer::new()).service(channel)))
}

/// For a client whose stack cannot be changed: it writes what is left, and a `scope` around the call bounds it.
fn interceptor(mut request: Request<()>) -> Result<Request<()>, Status> {
    let mut fields = mem::take(request.metadata_mut()).into_headers();
    let written = PropagateLayer::new().write(&mut fields, request.extensions());
    *request.metadata_mut() = MetadataMap::from_headers(fields);
    match written {
        Ok(_) => Ok(request),
        Err(PropagateError::Exceeded(exceeded)) => Err(Status::deadline_exceeded(exceeded.to_string())),
        Err(other) => Err(Status::internal(other.to_string())),
    }
}

struct Frontend(Client);

#[tonic::async_trait]
impl Greeter for Frontend {
    async fn say_hello(&self, request: Request<String>) -> Result<Response<String>, Status> {
        println!("frontend: about {} ms left", left());
        // Its own work is this call. The deadline is ambient, so nothing is passed on by hand.
        self.0.clone().say_hello(request.into_inner()).await
    }
}

struct Backend;

#[tonic::async_trait]
impl Greeter for Backend {
    async fn say_hello(&self, request: Request<String>) -> Result<Response<String>, Status> {
        println!("backend:  about {} ms left", left());
        let name = request.into_inner();
        if name == "sloth" {
            pending::<()>().await;
        }
        Ok(Response::new(format!("Hello, {name}!")))
    }
}

/// In tens of milliseconds.
fn left() -> u128 {
    remaining().map_or(0, |left| (left.as_millis() + 5) / 10 * 10)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (backend, frontend) = (listen().await?, listen().await?);
    let address = frontend.local_addr()?;
    let mut greeter = client(address)?;
    let forwarding = client(backend.local_addr()?)?;

    // Under the builder, tonic's own timeout stands outside and would answer CANCELLED: the guard is sooner.
    let layer = DeadlineLayer::new(Policy::new()).hop("backend").grpc_guard(TONIC_GUARD);
    let server = Server::builder().layer(layer).add_service(GreeterServer::new(Backend));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(backend)));

    // Outside of tonic there is no other timeout. The reserve leaves time to answer for a backend that is late.
    let layer = DeadlineLayer::new(Policy::new().reserve(Duration::from_millis(50))).hop("frontend");
    let routes = Routes::new(GreeterServer::new(Frontend(forwarding))).into_axum_router().layer(layer);
    tokio::spawn(async move { axum::serve(frontend, routes).await });

    for name in ["world", "sloth"] {
        let mut request = Request::new(name.to_owned());
        request.extensions_mut().insert(Deadline::after(now(), Duration::from_millis(500)));
        match greeter.say_hello(request).await {
            Ok(answer) => println!("client:   {}", answer.into_inner()),
            Err(status) => println!("client:   {:?}, {}", status.code(), why(&status)),
        }
    }

    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let mut intercepted = GreeterClient::with_interceptor(channel, interceptor);
    let call = intercepted.say_hello("interceptor".to_owned());
    let answer = scope(Deadline::after(now(), Duration::from_millis(500)), call).await??;
    println!("client:   {}", answer.into_inner());
    Ok(())
}

/// Where and why it stopped, and at which hop, where a layer answered.
fn why(status: &Status) -> &str {
    status
        .metadata()
        .get("deadline-exceeded")
        .and_then(|trail| trail.to_str().ok())
        .unwrap_or("nobody says why")
}

async fn listen() -> std::io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await
}
