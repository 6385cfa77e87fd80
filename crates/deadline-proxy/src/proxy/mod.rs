//! The proxy: one list of layers.
//!
//! Covers what happens to a request between a listener and an upstream. The rules are those of the layers.

pub mod framing;
mod gateway;
mod stall;
pub mod tunnel;
mod upstream;

use http::{Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};
use tower_deadline::{
    Answers, BodyError, DeadlineLayer, HopByHopLayer, Policy, PropagateError, PropagateLayer, UpgradePolicy,
};

use self::framing::FramingLayer;
use self::gateway::GatewayLayer;
use self::stall::StallLayer;
use self::upstream::Upstream;

/// What a proxy is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme and authority of where requests go.
    pub upstream: Uri,
    /// What every request is held to.
    pub policy: Policy,
    /// The name of this hop, in answers.
    pub hop: String,
}

/// The service of a proxy, from the outside in.
pub fn service(
    settings: &Settings,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl Body<Data = bytes::Bytes, Error = BodyError> + Send + 'static>,
    Error = PropagateError,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let answers = Answers::new().hop(&settings.hop);
    ServiceBuilder::new()
        // Reads the deadline fields before anything strips them (R9), and answers for whatever stops inside.
        .layer(DeadlineLayer::new(settings.policy.clone()).answers(answers.clone()))
        // What two parties could read differently is not passed on, while `Transfer-Encoding` still stands there (R35).
        .layer(FramingLayer::new(answers.clone()))
        // A client that does not read keeps hyper from polling: the upstream is let go from outside (R13b).
        .layer(StallLayer)
        // What concerns the client's connection does not reach the upstream, and the other way round.
        .layer(HopByHopLayer::new(UpgradePolicy::Strip).answers(answers.clone()))
        // An upstream that cannot be reached is a 502; addresses the request to it.
        .layer(GatewayLayer::new(settings.upstream.clone(), answers))
        // Writes what is left, fresh, after everything that could have touched it.
        .layer(PropagateLayer::new())
        .service(Upstream::new())
}
