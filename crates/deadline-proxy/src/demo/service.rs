//! The two services, made of the public layers as any user of them would.
//!
//! `orders` works for a while, then calls `payments` and passes its answer on; `payments` works for a while.
//! How long is told by the query.

use std::net::SocketAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_deadline::dialect::Call;
use tower_deadline::{
    Answers, BoxError, DeadlineBody, DeadlineLayer, Exceeded, Policy, Propagate, PropagateLayer, WatchedBody,
};

use super::Hop;
use super::cases::told;
use super::record::note;

type Answer = Response<Full<Bytes>>;

/// A handler behind the server's layer.
pub(super) fn service<F, A>(
    hop: Hop,
    policy: Policy,
    handler: F,
) -> impl Service<Request<Incoming>, Response = Response<DeadlineBody<Full<Bytes>>>, Error = Exceeded, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
where
    F: Fn(Parts) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Exceeded>> + Send,
{
    ServiceBuilder::new().layer(DeadlineLayer::new(policy).hop(hop.as_str())).service_fn(
        move |request: Request<WatchedBody<Incoming>>| {
            let (head, _) = request.into_parts();
            note(&head.extensions);
            handler(head)
        },
    )
}

/// The handler of `payments`.
pub(super) async fn charge(head: Parts) -> Result<Answer, Exceeded> {
    work(Hop::Payments, &head).await;
    Ok(Response::new(Full::from("charged\n")))
}

/// The handler of `orders`.
pub(super) async fn order(payments: Payments, head: Parts) -> Result<Answer, Exceeded> {
    work(Hop::Orders, &head).await;
    payments.charge(&head).await.or_else(|error| match Exceeded::find(&*error) {
        Some(exceeded) => Err(exceeded.clone()),
        None => {
            let answers = Answers::new().hop(Hop::Orders.as_str());
            Ok(answers.failure(StatusCode::BAD_GATEWAY, "payments cannot be reached", Call::Http).map(Full::new))
        }
    })
}

/// Works for as long as the request says; at the deadline this is dropped.
async fn work(hop: Hop, head: &Parts) {
    sleep(told(head.uri.query().unwrap_or_default(), hop)).await;
}

/// The client of `payments`.
#[derive(Clone)]
pub(super) struct Payments {
    client: Propagate<Client<HttpConnector, Empty<Bytes>>>,
    address: SocketAddr,
}

impl Payments {
    pub(super) fn at(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client: ServiceBuilder::new().layer(PropagateLayer::new()).service(client), address }
    }

    async fn charge(self, order: &Parts) -> Result<Answer, BoxError> {
        let query = order.uri.query().unwrap_or_default();
        let request = Request::get(format!("http://{}/charge?{query}", self.address)).body(Empty::new())?;
        let (head, body) = self.client.oneshot(request).await?.into_parts();
        Ok(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
    }
}
