//! The clients: HTTP/1.1 for everything, HTTP/2 for gRPC.
//!
//! Pools are hyper-util's: waiting for a connection and connecting happen inside the call, and so inside the
//! deadline.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;
use tower_deadline::WatchedBody;
use tower_deadline::dialect::Call;

/// How long an idle connection is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

type RequestBody = WatchedBody<Incoming>;

/// Sends a request over the protocol that it needs.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    http1: Client<HttpConnector, RequestBody>,
    http2: Client<HttpConnector, RequestBody>,
}

impl Upstream {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        // Shorter than servers keep theirs (five seconds are common): a connection that is taken from the pool while
        // the upstream closes it costs the request.
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LIMIT);
        let http1 = builder.build(connector.clone());
        let http2 = builder.http2_only(true).build(connector);
        Self { http1, http2 }
    }
}

impl Service<Request<RequestBody>> for Upstream {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        if Call::of(request.headers()) == Call::Grpc {
            *request.version_mut() = Version::HTTP_2;
            self.http2.request(request)
        } else {
            *request.version_mut() = Version::HTTP_11;
            self.http1.request(request)
        }
    }
}
