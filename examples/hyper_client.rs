//! A hyper client whose calls carry what is left, and stop in time.
//!
//! ```text
//! cargo run -p deadline-examples --example hyper_client
//! ```

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_deadline::{BoxError, Deadline, PropagateLayer, now, scope};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = serve().await?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);

    // All of this has 300 ms; each call is told what is left of it.
    let deadline = Deadline::after(now(), Duration::from_millis(300));
    let work = scope(deadline, async {
        for _ in 0..3 {
            let response = client.ready().await?.call(request(server, "/echo")?).await?;
            let seen = response.into_body().collect().await?.to_bytes();
            println!("the server was told: {}", String::from_utf8_lossy(&seen));
            sleep(Duration::from_millis(50)).await;
        }
        client.ready().await?.call(request(server, "/never")?).await?;
        Ok::<_, BoxError>(())
    });
    match work.await {
        Ok(outcome) => outcome?,
        Err(exceeded) => println!("stopped: {exceeded}"),
    }

    // Nothing left: the call is not even sent.
    let late = Request::get(format!("http://{server}/echo")).extension(deadline).body(Empty::new())?;
    match client.ready().await?.call(late).await {
        Ok(response) => println!("unexpected: {}", response.status()),
        Err(error) => println!("unsent: {error}"),
    }
    Ok(())
}

fn request(server: SocketAddr, path: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(format!("http://{server}{path}")).body(Empty::new())
}

async fn serve() -> Result<SocketAddr, BoxError> {
    let echo = async |headers: HeaderMap| {
        let told = headers.get("x-request-timeout").map(|value| value.as_bytes().to_vec());
        told.unwrap_or_else(|| b"nothing".to_vec())
    };
    let app = Router::new().route("/echo", get(echo)).route("/never", get(pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}
