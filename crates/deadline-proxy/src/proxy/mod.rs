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

use http::{HeaderMap, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder, service_fn};
use tower_deadline::{
    Answers, BodyError, DeadlineLayer, Dialects, HopByHopLayer, Policy, PropagateError, PropagateLayer,
};

pub use self::error::Error;
use self::framing::FramingLayer;
use self::gateway::GatewayLayer;
use self::stall::StallLayer;
use self::trailers::TrailersBody;
use self::tunnel::{TunnelLayer, Tunnels};
use crate::forward::{self, ForwardLayer, ReceiveLayer, stamp};
use crate::limits::{BodyRateLayer, HeadCountLayer, InFlightLayer, Limits, TallyLayer};
use crate::upstream::{self, Cluster, Pool};

/// What a proxy is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests go.
    pub upstream: upstream::Settings,
    /// What every request is held to.
    pub policy: Policy,
    /// What may be switched to, and what tunnels are held to.
    pub tunnel: tunnel::Settings,
    /// What is said about who asked, and who is believed.
    pub forwarding: forward::Settings,
    /// The name of this hop, in answers and in `Via`.
    pub hop: String,
}

impl Settings {
    /// Sends requests there, without a limit of its own.
    #[must_use]
    pub fn new(upstream: upstream::Settings) -> Self {
        let (tunnel, forwarding) = (tunnel::Settings::default(), forward::Settings::default());
        Self { upstream, policy: Policy::new(), tunnel, forwarding, hop: "proxy".to_owned() }
    }
}

/// A proxy, as far as its workers share it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    policy: Policy,
    dialects: Dialects,
    cluster: Arc<Cluster>,
    tunnel: TunnelLayer,
    tunnels: Tunnels,
    hop_by_hop: HopByHopLayer,
    tally: TallyLayer,
    in_flight: InFlightLayer,
    receive: ReceiveLayer,
    forward: ForwardLayer,
    limits: Limits,
    answers: Answers,
}

impl Proxy {
    /// Makes ready what all workers share; calls nobody.
    ///
    /// # Errors
    ///
    /// What cannot be kept to, and what is expected.
    pub fn new(settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        let (answers, tunnels) = (Answers::new().hop(&settings.hop), Tunnels::new());
        let (upgrades, trusts) = (settings.tunnel.upgrades.clone(), !settings.forwarding.trust.is_empty());
        Ok(Self {
            policy: settings.policy.clone(),
            // R8: the stamp of whoever is not trusted does not come this far.
            dialects: Dialects::default().trust_request_start(trusts),
            cluster: Cluster::new(settings.upstream.clone())?,
            tunnel: TunnelLayer::new(settings.tunnel.clone(), tunnels.clone(), answers.clone())?,
            tunnels,
            hop_by_hop: HopByHopLayer::new(upgrades).answers(answers.clone()),
            tally: TallyLayer::new(),
            receive: ReceiveLayer::new(&settings.forwarding, &settings.hop)?,
            forward: ForwardLayer::new(&settings.forwarding, &settings.hop, answers.clone())?,
            in_flight: InFlightLayer::new(limits.settings().in_flight, answers.clone()),
            limits: limits.clone(),
            answers,
        })
    }

    /// The service of one of so many workers, from the outside in. Each has its own connections to the upstream.
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
        let (pool, fresh) = (Pool::new(Arc::clone(&self.cluster), workers), PropagateLayer::new());
        ServiceBuilder::new()
            // Counts every answer, also those that are made here.
            .layer(self.tally.clone())
            // Gives a request its id, and every answer too. What a stranger says of queue time does not count (R8).
            .layer(self.receive.clone())
            // Reads the deadline fields before anything strips them (R9), and answers for whatever stops inside.
            .layer(DeadlineLayer::new(self.policy.clone()).dialects(self.dialects.clone()).answers(answers.clone()))
            // A head of HTTP/2 has as many fields as one of HTTP/1.1, where hyper counts them.
            .layer(HeadCountLayer::new(limits.head_count, answers.clone()))
            // What two parties could read differently is not passed on, while `Transfer-Encoding` still stands there (R35).
            .layer(FramingLayer::new(answers.clone()))
            // A client that does not read keeps hyper from polling: the upstream is let go from outside (R13b).
            .layer(StallLayer::new(limits.write_stall))
            // One request too many is answered at once, and one that trickles is ended.
            .layer(self.in_flight.clone())
            .layer(BodyRateLayer::new(limits.body_rate, answers.clone()))
            // An upgrade that is allowed becomes a tunnel; its handshake is under the deadline (R17, R32).
            .layer(self.tunnel.clone())
            // What concerns the client's connection does not reach the upstream, and the other way round.
            .layer(self.hop_by_hop.clone())
            // Nor do their trailers say what a message may only say before its body.
            .map_request(|request: Request<_>| request.map(TrailersBody::new))
            .map_response(|response: Response<_>| response.map(TrailersBody::new))
            // Tells the upstream who asked, and by which hops.
            .layer(self.forward.clone())
            // An upstream that cannot be reached is a 502; what is no request for it is refused.
            .layer(GatewayLayer::new(answers))
            // Bounds the call, and writes what is left.
            .layer(PropagateLayer::new())
            // Writes it again at the last moment: when a connection is there (R2, R22).
            .service(service_fn(move |request| {
                let (pool, fresh) = (pool.clone(), fresh.clone());
                async move { pool.send(request, |request| write(&fresh, request)).await }
            }))
    }

    /// What gives answers that are made before a request gets this far the same fields.
    #[must_use]
    pub fn receives(&self) -> &ReceiveLayer {
        &self.receive
    }

    /// Tends what the workers share: names, health. Never ends; dropping it stops that.
    pub async fn tend(&self) {
        Arc::clone(&self.cluster).tend().await;
    }

    /// Ends what is left of tunnels, cleanly, and waits for that as long as it may take.
    pub async fn close_tunnels(&self, limit: Duration) {
        self.tunnels.close();
        // Too late is no reason to stay.
        let _ = tokio::time::timeout(limit, self.tunnels.closed()).await;
    }
}

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
