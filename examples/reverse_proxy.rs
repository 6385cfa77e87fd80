//! A reverse proxy made of the layers alone. `deadline-proxy` is the same with more around it.
//!
//! ```text
//! cargo run -p deadline-examples --example reverse_proxy -- http://127.0.0.1:3000 127.0.0.1:8080
//! ```

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_deadline::{
    BodyError, BoxError, DeadlineLayer, Exceeded, HopByHopLayer, Policy, PropagateLayer, UpgradePolicy, WatchedBody,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: reverse_proxy http://UPSTREAM [LISTEN]";
    let upstream: Uri = arguments.next().ok_or(usage)?.parse()?;
    let listener = TcpListener::bind(arguments.next().as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let client = Client::builder(TokioExecutor::new()).build_http();
    let client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(30))).boxed_errors())
        .layer(HopByHopLayer::new(UpgradePolicy::Strip))
        .service_fn(move |request| forward(client.clone(), upstream.clone(), request));

    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // One connection failed, or none can be had right now; the listener goes on.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // What ends a connection with an error, the client has seen.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Sends the request to the upstream. A deadline that passed goes on outwards; any other failure is a 502.
async fn forward<S, B>(
    mut client: S,
    upstream: Uri,
    mut request: Request<WatchedBody<Incoming>>,
) -> Result<Response<UnsyncBoxBody<Bytes, BodyError>>, BoxError>
where
    S: Service<Request<WatchedBody<Incoming>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(upstream.authority().map_or("", |authority| authority.as_str()))
        .path_and_query(path)
        .build()?;
    *request.version_mut() = Version::HTTP_11;
    let outcome = client.ready().await.map_err(Into::into)?.call(request).await.map_err(Into::into);
    match outcome {
        Ok(response) => Ok(response.map(BodyExt::boxed_unsync)),
        Err(error) if Exceeded::find(&*error).is_some() => Err(error),
        Err(_) => {
            let empty = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
            let mut response = Response::new(empty);
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}
