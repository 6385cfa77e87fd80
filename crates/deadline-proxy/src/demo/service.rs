//! The two services, made of the public layers as any user of them would.
//!
//! `orders` works for a while, then calls `payments` and passes its answer on; `payments` works for a while, and where it
//! has a database, that does too. How long is told by the query.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

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
use super::database::Statements;
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

/// The handler of `payments`. It says nothing of a deadline to its database: the statement takes that of the request.
pub(super) async fn charge(database: Option<Statements>, head: Parts) -> Result<Answer, Exceeded> {
    work(Hop::Payments, &head).await;
    if let Some(database) = database
        && let Err(error) = database.work(told_to(Hop::Database, &head)).await
    {
        return answer_for(Hop::Payments, "the database cannot be reached", &*error);
    }
    Ok(Response::new(Full::from("charged\n")))
}

/// The handler of `orders`.
pub(super) async fn order(payments: Payments, head: Parts) -> Result<Answer, Exceeded> {
    work(Hop::Orders, &head).await;
    payments
        .charge(&head)
        .await
        .or_else(|error| answer_for(Hop::Orders, "payments cannot be reached", &*error))
}

/// A deadline is left to the layer; of anything else this hop tells in its own words.
fn answer_for(hop: Hop, words: &'static str, error: &(dyn Error + 'static)) -> Result<Answer, Exceeded> {
    match Exceeded::find(error) {
        Some(exceeded) => Err(exceeded.clone()),
        None => {
            let answers = Answers::new().hop(hop.as_str());
            Ok(answers.failure(StatusCode::BAD_GATEWAY, words, Call::Http).map(Full::new))
        }
    }
}

/// Works for as long as the request says; at the deadline this is dropped.
async fn work(hop: Hop, head: &Parts) {
    sleep(told_to(hop, head)).await;
}

fn told_to(hop: Hop, head: &Parts) -> Duration {
    told(head.uri.query().unwrap_or_default(), hop)
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
