//! Nothing is left behind on real sockets: no task, no timer, no connection.

use deadline_testkit::{Leftovers, Step};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::{Layer, service_fn};
use tower_deadline::{DeadlineLayer, Policy, WatchedBody, spawn};

use crate::support::{AnyBody, eventually, scripted, soon};

/// A service whose connections are counted, as are those of its clients.
async fn serve(leftovers: &Leftovers) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let counted = leftovers.clone();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(DeadlineLayer::new(Policy::new()).layer(service_fn(handle)));
            let stream = TokioIo::new(counted.connection(stream));
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                // What ends a connection with an error, the client has seen.
                let _ = builder.serve_connection(stream, service).await;
            });
        }
    });
    (address, server)
}

/// Each request has a child that would go on for ever.
async fn handle(request: Request<WatchedBody<Incoming>>) -> Result<Response<AnyBody>, Infallible> {
    drop(spawn(std::future::pending::<()>()));
    let steps = match request.uri().path() {
        "/whole" => vec![Step::Data("whole")],
        "/stalled" => vec![Step::Data("some"), Step::Stall],
        _ => std::future::pending().await,
    };
    Ok(Response::new(scripted(steps).0))
}

/// A call over a connection of its own: the body that was read, if it came whole.
async fn call(leftovers: Leftovers, to: SocketAddr, path: &'static str) -> Option<String> {
    let stream = leftovers.connection(TcpStream::connect(to).await.expect("the service listens"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "orders").header("x-request-timeout", "50ms");
    let response = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).ok()?).await.ok()?;
    let read = response.into_body().collect().await.ok()?.to_bytes();
    String::from_utf8(read.to_vec()).ok()
}

#[tokio::test]
async fn a_call_leaves_no_task_timer_or_connection_whether_it_is_whole_late_or_broken_off() {
    let leftovers = Leftovers::watch();
    let (address, server) = serve(&leftovers).await;
    // The service itself stays until the end.
    let listening = Leftovers::watch();
    for (path, whole) in [("/whole", Some("whole")), ("/silent", None), ("/stalled", None)] {
        let calling = listening.run(call(leftovers.clone(), address, path));
        let read = soon("an end", calling).await;
        // What is late is answered, what breaks off is not whole.
        assert_eq!(read.filter(|read| !read.contains("deadline")).as_deref(), whole, "{path}");
        eventually("the connection's tasks are gone", || listening.left().tasks == 0).await;
        listening.assert_none().await;
    }
    server.abort();
    leftovers.assert_none().await;
}

#[tokio::test]
#[should_panic(expected = "connections: 2")]
async fn a_connection_that_is_kept_open_is_found_at_both_ends() {
    let leftovers = Leftovers::watch();
    let (address, _server) = serve(&leftovers).await;
    let _kept = leftovers.connection(TcpStream::connect(address).await.expect("the service listens"));
    eventually("it is accepted", || leftovers.left().connections == 2).await;
    leftovers.assert_none().await;
}
