//! The proxy: one list of layers.
//!
//! Covers what happens to a request between a listener and an upstream. The rules are those of the layers.

mod blame;
mod error;
pub mod framing;
mod gateway;
mod stall;
mod trailers;
pub mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder, service_fn};
use tower_deadline::policies::ByExtension;
use tower_deadline::rescue::Typed;
use tower_deadline::{
    Answers, BodyError, DeadlineLayer, Dialects, HopByHopLayer, Policy, PropagateError, PropagateLayer,
};

pub use self::error::Error;
use self::framing::FramingLayer;
use self::gateway::GatewayLayer;
use self::stall::StallLayer;
use self::trailers::TrailersBody;
use self::tunnel::{TunnelLayer, Tunnels};
use crate::attempt;
use crate::forward::{self, EdgePolicy, ForwardLayer, ReceiveLayer, stamp};
use crate::limits::{BodyRateLayer, HeadCountLayer, InFlightLayer, Limits, TallyLayer};
use crate::route::{RewriteLayer, Route, Router, Table};
use crate::upstream::{self, Cluster, Pool, PooledBody, SendError, Sent};

/// What a proxy is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests can go.
    pub upstreams: Vec<upstream::Settings>,
    /// Which requests go where, and what they are held to.
    pub routes: Vec<Route>,
    /// How many retries each upstream is asked to bear.
    pub retry_budget: attempt::Budget,
    /// What is said about who asked, and who is believed.
    pub forwarding: forward::Settings,
    /// The name of this hop, in answers and in `Via`.
    pub hop: String,
}

impl Settings {
    /// Sends every request there, without a limit of its own.
    #[must_use]
    pub fn new(upstream: upstream::Settings) -> Self {
        Self {
            upstreams: vec![upstream],
            routes: vec![Route::new("default", attempt::Settings::once(0))],
            retry_budget: attempt::Budget::default(),
            forwarding: forward::Settings::default(),
            hop: "proxy".to_owned(),
        }
    }

    /// Holds all requests to this policy, whatever their route.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        for route in &mut self.routes {
            route.policy = policy.clone();
        }
        self
    }
}

/// A proxy, as far as its workers share it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    clusters: Vec<Arc<Cluster>>,
    table: Arc<Table>,
    routes: Arc<[Way]>,
    tunnels: Tunnels,
    tally: TallyLayer,
    receive: ReceiveLayer,
    forward: ForwardLayer,
    limits: Limits,
    answers: Answers,
}

/// What a route has of its own.
#[derive(Clone, Debug)]
struct Way {
    edge: EdgePolicy,
    deadline: DeadlineLayer<Typed, ByExtension>,
    in_flight: InFlightLayer,
    tunnel: TunnelLayer,
    hop_by_hop: HopByHopLayer,
    rewrite: RewriteLayer,
    /// Whom it calls.
    upstream: usize,
}

/// What all routes have in common.
struct Common<'a> {
    dialects: Dialects,
    limits: &'a Limits,
    tunnels: &'a Tunnels,
    answers: &'a Answers,
}

impl Way {
    fn new(route: &Route, common: &Common<'_>) -> Result<Self, Error> {
        let Common { dialects, limits, tunnels, answers } = common;
        let Route { policy, tunnel, in_flight, attempts, .. } = route;
        Ok(Self {
            edge: EdgePolicy::of(policy),
            deadline: DeadlineLayer::by_extension(policy.clone())
                .dialects(dialects.clone())
                .answers((*answers).clone()),
            in_flight: InFlightLayer::new(in_flight.or(limits.settings().in_flight), (*answers).clone()),
            tunnel: TunnelLayer::new(tunnel.clone(), (*tunnels).clone(), (*answers).clone())?,
            hop_by_hop: HopByHopLayer::new(tunnel.upgrades.clone()).answers((*answers).clone()),
            rewrite: RewriteLayer::new(route, (*answers).clone()),
            upstream: attempts.chain.first().map_or(0, |link| link.upstream),
        })
    }
}

impl Proxy {
    /// Makes ready what all workers share; calls nobody.
    ///
    /// # Errors
    ///
    /// What cannot be kept to, and what is expected.
    pub fn new(settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        let (answers, tunnels) = (Answers::new().hop(&settings.hop), Tunnels::new());
        // R8: the stamp of whoever is not trusted does not come this far.
        let dialects = Dialects::default().trust_request_start(!settings.forwarding.trust.is_empty());
        let common = Common { dialects, limits, tunnels: &tunnels, answers: &answers };
        let ways = settings.routes.iter().map(|route| Way::new(route, &common));
        let ways = ways.collect::<Result<_, _>>()?;
        let clusters = settings.upstreams.iter().cloned().map(Cluster::new);
        Ok(Self {
            clusters: clusters.collect::<Result<_, _>>()?,
            table: Arc::new(Table::new(&settings.routes)),
            routes: ways,
            tunnels,
            tally: TallyLayer::new(),
            receive: ReceiveLayer::new(&settings.forwarding, &settings.hop)?,
            forward: ForwardLayer::new(&settings.forwarding, &settings.hop, answers.clone())?,
            limits: limits.clone(),
            answers,
        })
    }

    /// The service of one of so many workers, from the outside in. Each has its own connections to the upstreams.
    pub fn service(
        &self,
        workers: usize,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<impl Body<Data = bytes::Bytes, Error = BodyError> + Send + 'static>,
        Error = PropagateError,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static {
        let (answers, limits) = (self.answers.clone(), self.limits.settings());
        let pools: Vec<_> = self.clusters.iter().map(|cluster| Pool::new(Arc::clone(cluster), workers)).collect();
        let way = |way: &Way| {
            let (pool, fresh) = (pools.get(way.upstream).cloned(), PropagateLayer::new());
            let edge = way.edge.clone();
            ServiceBuilder::new()
                // A stranger at the edge is granted no more than the default (R7).
                .map_request(move |request| edge.hold(request))
                // Reads the deadline fields before anything strips them (R9), and answers for whatever stops inside.
                .layer(way.deadline.clone())
                // A head of HTTP/2 has as many fields as one of HTTP/1.1, where hyper counts them.
                .layer(HeadCountLayer::new(limits.head_count, answers.clone()))
                // A client that does not read keeps hyper from polling: the upstream is let go from outside (R13b).
                .layer(StallLayer::new(limits.write_stall))
                // One request too many is answered at once, and one that trickles is ended.
                .layer(way.in_flight.clone())
                .layer(BodyRateLayer::new(limits.body_rate, answers.clone()))
                // An upgrade that is allowed becomes a tunnel; its handshake is under the deadline (R17, R32).
                .layer(way.tunnel.clone())
                // What concerns the client's connection does not reach the upstream, and the other way round.
                .layer(way.hop_by_hop.clone())
                // Nor do their trailers say what a message may only say before its body.
                .map_request(|request: Request<_>| request.map(TrailersBody::new))
                .map_response(|response: Response<_>| response.map(TrailersBody::new))
                // Tells the upstream who asked, and by which hops; then gives the path the beginning that it knows.
                .layer((self.forward.clone(), way.rewrite.clone()))
                // An upstream that cannot be reached is a 502; what is no request for it is refused.
                .layer(GatewayLayer::new(answers.clone()))
                // Bounds the call, and writes what is left.
                .layer(PropagateLayer::new())
                // Writes it again at the last moment: when a connection is there (R2, R22).
                .service(service_fn(move |request| send(pool.clone(), fresh.clone(), request)))
        };
        let ways = self.routes.iter().map(way).collect();
        ServiceBuilder::new()
            // Counts every answer, also those that are made here.
            .layer(self.tally.clone())
            // Gives a request its id, and every answer too. What a stranger says of queue time does not count (R8).
            .layer(self.receive.clone())
            // What two parties could read differently is refused before anything is decided by its host or path (R35).
            .layer(FramingLayer::new(self.answers.clone()))
            .service(Router::new(Arc::clone(&self.table), ways, self.answers.clone()))
    }

    /// What gives answers that are made before a request gets this far the same fields.
    #[must_use]
    pub fn receives(&self) -> &ReceiveLayer {
        &self.receive
    }

    /// Tends what the workers share: names, health. Returns where there is nothing to tend; dropping it stops that.
    pub async fn tend(&self) {
        join_all(self.clusters.iter().map(|cluster| Arc::clone(cluster).tend())).await;
    }

    /// Ends what is left of tunnels, cleanly, and waits for that as long as it may take.
    pub async fn close_tunnels(&self, limit: Duration) {
        self.tunnels.close();
        // Too late is no reason to stay.
        let _ = tokio::time::timeout(limit, self.tunnels.closed()).await;
    }
}

async fn send<B: Sent>(pool: Option<Pool<B>>, fresh: PropagateLayer, request: Request<B>) -> Exchanged<B> {
    match pool {
        Some(pool) => pool.send(request, |request| write(&fresh, request)).await,
        None => Err(SendError::NoEndpoint { upstream: "none".to_owned() }),
    }
}

type Exchanged<B> = Result<Response<PooledBody<B>>, SendError<PropagateError>>;

fn write<B>(fresh: &PropagateLayer, request: &mut Request<B>) -> Result<(), PropagateError> {
    let mut headers: HeaderMap = std::mem::take(request.headers_mut());
    // What was written before the wait is not what a caller asked for, less the reserve another time.
    Dialects::default().strip(&mut headers);
    let written = fresh.write(&mut headers, request.extensions());
    *request.headers_mut() = headers;
    stamp(request);
    written.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;
    use tower::ServiceExt;
    use tower_deadline::{BoxError, Deadline, Journey, now};

    /// What is left of a second for an upstream, where a tenth is reserved, after so long a wait for a connection.
    async fn told(kind: &str, wait: Duration) -> Duration {
        let fresh = PropagateLayer::new();
        let service = ServiceBuilder::new().layer(fresh.clone()).service_fn(|mut request: Request<()>| {
            let fresh = fresh.clone();
            async move {
                tokio::time::sleep(wait).await;
                write(&fresh, &mut request)?;
                let asked = Dialects::default().read(request.headers(), SystemTime::UNIX_EPOCH);
                let mut answer = Response::new(http_body_util::Empty::<bytes::Bytes>::new());
                answer.extensions_mut().insert(asked.strictest().map(|(left, _)| left));
                Ok::<_, BoxError>(answer)
            }
        });
        let journey = Journey::new(Arc::new(Policy::new().reserve(Duration::from_millis(100))), true);
        let deadline = Deadline::after(now(), Duration::from_secs(1));
        let request = Request::get("/").header("content-type", kind).extension(journey).extension(deadline);
        let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
        answer.extensions().get::<Option<Duration>>().copied().flatten().unwrap()
    }

    // R2, R21
    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_written_at_the_last_moment_less_the_reserve_once() {
        for kind in ["text/plain", "application/grpc"] {
            for wait in [0, 50, 300] {
                let (told, left) = (told(kind, Duration::from_millis(wait)).await, Duration::from_millis(900 - wait));
                assert!(told <= left && told > left - Duration::from_millis(2), "{kind}, {wait}: {told:?}");
            }
        }
    }
}
