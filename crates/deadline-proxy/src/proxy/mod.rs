//! The proxy: one list of layers.
//!
//! Covers what happens to a request between a listener and an upstream. The rules are those of the layers.

mod blame;
mod error;
pub mod framing;
mod gateway;
mod kept;
mod lookout;
mod passage;
mod settings;
mod stall;
mod stop;
mod tending;
mod trailers;
pub mod tunnel;
mod way;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_deadline::{Answers, BodyError, Dialects, PropagateError, PropagateLayer, WatchedBody};

pub use self::error::Error;
use self::framing::FramingLayer;
use self::kept::Kept;
use self::lookout::Lookout;
use self::passage::{PassageLayer, Steps};
pub use self::settings::Settings;
pub use self::tending::Tending;
use self::tunnel::Tunnels;
use self::way::{Common, Way};
use crate::access::{AccessLayer, AccessLog, Expired};
use crate::attempt::{Attempts, Burden, Limit, Step, TryLimit};
use crate::explain;
use crate::forward::{ForwardLayer, ReceiveLayer, stamp};
use crate::front::FrontLayer;
use crate::limits::{BodyRate, HeadCount, Limits, TallyLayer};
use crate::route::{Router, Table};
use crate::shutdown::Shutdown;
use crate::upstream::{self, Cluster, Pool, PooledBody, Pools, Sent, StandIn, Status, Unresolved, is_grpc};

/// A proxy, as far as its workers share it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    clusters: Vec<Arc<Cluster>>,
    /// By upstream, as the clusters are.
    burdens: Vec<Arc<Burden>>,
    table: Arc<Table>,
    routes: Arc<[Way]>,
    tunnels: Tunnels,
    access: AccessLayer,
    tally: TallyLayer,
    receive: ReceiveLayer,
    forward: ForwardLayer,
    limits: Limits,
    answers: Answers,
    shutdown: Shutdown,
}

impl Proxy {
    /// Makes ready what all workers share; calls nobody.
    ///
    /// # Errors
    ///
    /// What cannot be kept to, and what is expected.
    pub fn new(settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        Self::with(settings, limits, &Kept::default(), Cluster::new)
    }

    /// The next generation: a proxy of other settings, which goes on with what these do not change. That is
    ///
    /// - the endpoints of an upstream that was told the same, and whose PEM files say the same: their health, ejections
    ///   and addresses, and the connections to them where the same [`Pools`] are used;
    /// - the retry budget of an upstream of the same name, where the budget is the same;
    /// - how many requests and tunnels of a route of the same name are under way, whatever their limits; of one that was
    ///   given no name, where it matches the same;
    /// - what all tunnels are closed by, and the access log.
    ///
    /// This one goes on as before, also where there is no other.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn succeeded_by(&self, settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        let kept = Kept::of(self, &settings.routes);
        Self::with(settings, limits, &kept, |upstream| kept.cluster(upstream))
    }

    /// The same, but nobody is ever called: `stand_in` is connected to in the place of every upstream.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub(crate) fn rehearsed(settings: &Settings, limits: &Limits, stand_in: &StandIn) -> Result<Self, Error> {
        Self::with(settings, limits, &Kept::default(), |upstream| Cluster::stood_in_for(upstream, stand_in))
    }

    fn with(
        settings: &Settings,
        limits: &Limits,
        kept: &Kept<'_>,
        cluster: impl Fn(upstream::Settings) -> Result<Arc<Cluster>, upstream::Error>,
    ) -> Result<Self, Error> {
        let answers = settings.answers();
        let burdens = settings.upstreams.iter().map(|upstream| kept.burden(&upstream.name, settings.retry_budget));
        let burdens: Vec<_> = burdens.collect::<Result<_, _>>()?;
        // R8: the stamp of whoever is not trusted does not come this far.
        let dialects = Dialects::default().trust_request_start(!settings.forwarding.trust.is_empty());
        let common =
            Common { dialects: &dialects, limits, kept, answers: &answers, burdens: &burdens, hop: &settings.hop };
        let ways = settings.routes.iter().map(|route| Way::new(route, &common)).collect::<Result<_, _>>()?;
        let clusters = settings.upstreams.iter().cloned().map(cluster);
        Ok(Self {
            clusters: clusters.collect::<Result<_, _>>()?,
            table: Arc::new(Table::new(&settings.routes)),
            routes: ways,
            burdens,
            tunnels: kept.tunnels.clone(),
            access: kept.access.clone().named(&settings.hop),
            tally: kept.tally.clone(),
            receive: ReceiveLayer::new(&settings.forwarding, &settings.hop)?,
            forward: ForwardLayer::new(&settings.forwarding, &settings.hop, answers.clone())?,
            limits: limits.clone(),
            answers,
            shutdown: Shutdown::new(),
        })
    }

    /// Writes a line there for each request that the log takes; without this call, none.
    #[must_use]
    pub fn access_log(self, log: Option<AccessLog>) -> Self {
        Self { access: self.access.writing(log).until(self.shutdown.clone()), ..self }
    }

    /// Keeps so many of the requests that were stopped last, and those of the generation before; without this call, none.
    #[must_use]
    pub fn keep_expired(self, most: usize) -> Self {
        Self { access: self.access.keeping(most), ..self }
    }

    /// The requests that were stopped last.
    #[must_use]
    pub fn expired(&self) -> &Expired {
        self.access.expired()
    }

    /// Stops what is under way once this has begun, with cause `shutdown`; without this call, never.
    #[must_use]
    pub fn stopped_by(self, shutdown: Shutdown) -> Self {
        Self { access: self.access.until(shutdown.clone()), shutdown, ..self }
    }

    /// The service of the worker that has these connections to the upstreams, from the outside in. A pool of an upstream
    /// that this proxy does not have is forgotten; who has it goes on with it.
    pub fn service(
        &self,
        pools: &Pools,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<impl Body<Data = bytes::Bytes, Error = BodyError> + Send + use<>>,
        Error = PropagateError,
        Future: Send,
    >
    + Clone
    + Send
    + Sync
    + 'static
    + use<> {
        let (answers, pools) = (&self.answers, pools.of(&self.clusters));
        // There is a pool for each upstream that a plan names.
        let upstream = |step: &Step| upstream(pools[step.upstream].clone(), step.limit);
        let (lookout, forward) = (Lookout::new(self.shutdown.clone()), self.forward.of_worker());
        let passage = |way: &Way| PassageLayer::new(self.passage(way, &lookout, &forward));
        let way = |way: &Way| {
            ServiceBuilder::new()
                // A stranger at the edge is granted no more than the default (R7); logs have the route of what is not let in.
                .layer(way.arrival())
                // Tells no stranger of times. Reads deadline fields before they are stripped (R9), and answers for stops.
                .layer((way.ledger, way.deadline.clone()))
                // What was granted is noted; then one thing after the other, as they stand below.
                .layer(passage(way))
                // Calls the upstreams of the chain, one after the other, and again where that is safe (R22, R38).
                .service(Attempts::new(&way.plan, upstream))
        };
        let front = FrontLayer::new()
            // A line for every answer, however it ends, and for what has none; then a count of each, also of those made here.
            .access(self.access.clone())
            .tally(self.tally.clone())
            // What is told of a request has a beginning and an end, also where it is not let in.
            .explained()
            // Gives a request its id, and every answer too. What a stranger says of queue time does not count (R8).
            .receive(self.receive.clone())
            // What two parties could read differently is refused before anything is decided by its host or path (R35).
            .framing(FramingLayer::new(answers.clone()));
        // Counts what a route takes, and measures it to its end, however that comes.
        let ways = self.routes.iter().map(|route| (route.tally.clone(), way(route))).collect();
        front.layer(Router::new(Arc::clone(&self.table), ways, answers.clone()))
    }

    /// What happens to a request of this way between its deadline and its attempts, from the first to the last.
    fn passage(&self, way: &Way, lookout: &Lookout, forward: &ForwardLayer) -> Steps {
        let (answers, limits) = (&self.answers, self.limits.settings());
        Steps {
            // What is under way when the process ends is told so, whatever it waits for.
            lookout: lookout.clone(),
            answers: answers.clone(),
            // A head of HTTP/2 has as many fields as hyper counts in HTTP/1.1. Who does not read keeps no upstream (R13b).
            head_count: HeadCount::new(limits.head_count, answers.clone()),
            write_stall: limits.write_stall,
            // One request too many is answered at once, and one that trickles is ended.
            in_flight: way.in_flight.clone(),
            body_rate: BodyRate::new(limits.body_rate, answers.clone()),
            // An upgrade that is allowed becomes a tunnel; its handshake is under the deadline (R17, R32).
            tunnel: way.tunnel.clone(),
            // What concerns the client's connection does not reach the upstream, and the other way round. Trailers say
            // nothing of a connection, or that belongs before a body.
            hop_by_hop: way.hop_by_hop.clone(),
            // Tells the upstream who asked, and by which hops; then gives the path the beginning that it knows.
            forward: forward.clone(),
            rewrite: way.rewrite.clone(),
            // An upstream that cannot be reached is a 502; what is no request for it is refused.
            gateway: way.gateway.clone(),
        }
    }

    /// Asks for every name of its upstreams that nobody has asked for yet, all at once, so that the first requests need
    /// not. Waits no longer than `limit`, and for none longer than connecting may take. Returns the names that have no
    /// address: that is no reason not to start, since a request asks again. Cancel-safe.
    pub async fn resolve(&self, limit: Duration) -> Vec<Unresolved> {
        let found = self.clusters.iter().map(|cluster| cluster.resolve_unasked(limit));
        join_all(found).await.into_iter().flatten().collect()
    }

    /// How the endpoints of each upstream are just now, by its name.
    pub fn statuses(&self) -> impl Iterator<Item = (&str, Vec<Status>)> {
        self.clusters.iter().map(|cluster| (cluster.settings().name.as_str(), cluster.statuses()))
    }

    /// What gives answers that are made before a request gets this far the same fields.
    #[must_use]
    pub fn receives(&self) -> &ReceiveLayer {
        &self.receive
    }

    /// Ends what is left of tunnels, cleanly, and waits for that as long as it may take.
    pub async fn close_tunnels(&self, limit: Duration) {
        self.tunnels.close();
        // Too late is no reason to stay, and neither is a tunnel once everything else is stopped.
        tokio::select! {
            () = self.tunnels.closed() => {}
            () = sleep(limit) => {}
            () = self.shutdown.begun() => {}
        }
    }
}

/// What is called for each attempt, from the outside in.
fn upstream<B: Sent>(
    pool: Pool<B>,
    limit: Option<TryLimit>,
) -> impl Service<Request<B>, Response = Response<WatchedBody<PooledBody<B>>>, Error = PropagateError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let shared = Arc::new((pool, PropagateLayer::new()));
    ServiceBuilder::new()
        // Bounds the attempt by the deadline of the request. The pool tells how far it comes.
        .layer(PropagateLayer::new().told_within().written_within())
        // Bounds it by its own limit, and writes what is left at the last moment: when a connection is there (R2, R22).
        .service(service_fn(move |request: Request<B>| {
            let (shared, limit) = (Arc::clone(&shared), Limit::new(limit, request.extensions()));
            let mut held = Some(request);
            // Boxed: some kilobytes, which every future around would move again and again.
            Box::pin(async move {
                let (pool, fresh) = &*shared;
                let before = |request: &mut Request<B>| limit.tell(request, |request| write(fresh, request));
                // Pinned here: handed on by value, it would have a second place in this future.
                limit.hold(pin!(pool.send_held(&mut held, before))).await
            })
        }))
}

fn write<B>(fresh: &PropagateLayer, request: &mut Request<B>) -> Result<(), PropagateError> {
    // Smaller than the fields.
    let extensions = std::mem::take(request.extensions_mut());
    if is_grpc(request.headers()) {
        // What was written for an attempt before is not what a caller asked for, less the reserve another time.
        Dialects::default().strip(request.headers_mut());
    }
    let written = fresh.write(request.headers_mut(), &extensions);
    *request.extensions_mut() = extensions;
    stamp(request);
    match &written {
        Ok(_) => explain::sent(request),
        Err(error) => explain::unsent(error),
    }
    written.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;
    use tower::ServiceExt;
    use tower_deadline::{BoxError, Deadline, Journey, Policy, now};

    /// What is left of a second for an upstream, where a tenth is reserved, after so long a wait for a connection.
    async fn told(kind: &str, wait: Duration) -> Duration {
        let fresh = PropagateLayer::new();
        let service = ServiceBuilder::new().layer(fresh.clone()).service_fn(|mut request: Request<()>| {
            let fresh = fresh.clone();
            async move {
                sleep(wait).await;
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
