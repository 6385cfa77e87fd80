//! What a route has of its own.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};
use tower_deadline::policies::ByExtension;
use tower_deadline::rescue::Typed;
use tower_deadline::{Answers, DeadlineLayer, Dialects, HopByHopLayer, Policy};

use super::error::Error;
use super::gateway::Gateway;
use super::kept::Kept;
use super::tunnel::Opener;
use crate::access::routed;
use crate::attempt::{Burden, Plan};
use crate::explain;
use crate::forward::{EdgePolicy, LedgerLayer};
use crate::limits::{InFlight, Limits, RouteTally};
use crate::route::{Matches, Named, Rewriter, Route};
use crate::traces::note_route;

/// What a route has of its own, and its workers share.
#[derive(Clone, Debug)]
pub(super) struct Way {
    arrival: Arc<Arrival>,
    named: Named,
    matches: Matches,
    pub(super) tally: RouteTally,
    pub(super) ledger: LedgerLayer,
    pub(super) deadline: DeadlineLayer<Typed, ByExtension>,
    pub(super) in_flight: InFlight,
    pub(super) tunnel: Opener,
    pub(super) hop_by_hop: HopByHopLayer,
    pub(super) rewrite: Rewriter,
    pub(super) gateway: Gateway,
    /// Whom it calls.
    pub(super) plan: Arc<Plan>,
}

/// What happens to a request before its deadline is read.
#[derive(Debug)]
struct Arrival {
    name: Arc<str>,
    policy: Arc<Policy>,
    dialects: Dialects,
    edge: EdgePolicy,
}

/// What the ways of a proxy share.
#[derive(Debug)]
pub(super) struct Common<'a> {
    pub(super) dialects: &'a Dialects,
    pub(super) limits: &'a Limits,
    pub(super) kept: &'a Kept<'a>,
    pub(super) answers: &'a Answers,
    pub(super) burdens: &'a [Arc<Burden>],
    pub(super) hop: &'a str,
}

impl Way {
    pub(super) fn new(route: &Route, common: &Common<'_>) -> Result<Self, Error> {
        let Route { name, policy, tunnel, in_flight, attempts, .. } = route;
        let Common { dialects, limits, kept, answers, burdens, hop } = *common;
        let plan = Plan::new(attempts, burdens, hop);
        let policy = Arc::new(policy.clone());
        let deadline = DeadlineLayer::by_extension(Arc::clone(&policy));
        let (most, tunnel, open) = (in_flight.or(limits.settings().in_flight), tunnel.clone(), &kept.tunnels);
        let hop_by_hop = HopByHopLayer::new(tunnel.upgrades.clone());
        // How many are under way does not depend on who counts.
        let (in_flight, tunnel) = match kept.way(route) {
            Some(way) => {
                (way.in_flight.succeeded_by(most, answers.clone()), way.tunnel.succeeded_by(tunnel, answers.clone())?)
            }
            None => (InFlight::new(most, answers.clone()), Opener::new(tunnel, open.clone(), answers.clone())?),
        };
        let edge = EdgePolicy::of(&policy);
        let arrival =
            Arrival { name: name.as_str().into(), policy: Arc::clone(&policy), dialects: dialects.clone(), edge };
        Ok(Self {
            arrival: Arc::new(arrival),
            named: route.named,
            matches: route.matches.clone(),
            tally: RouteTally::new(name),
            ledger: LedgerLayer::new(policy.ledgered()),
            deadline: deadline.dialects(dialects.clone()).answers(answers.clone()),
            in_flight,
            tunnel,
            hop_by_hop: hop_by_hop.answers(answers.clone()),
            rewrite: Rewriter::new(route, answers.clone()),
            gateway: Gateway::new(answers.clone(), policy.statuses(), hop),
            plan: plan.map_err(|error| Error::Route { name: name.clone(), error })?,
        })
    }

    /// The name that it was given.
    pub(super) fn given(&self) -> Option<&str> {
        (self.named == Named::Given).then_some(&*self.arrival.name)
    }

    pub(super) fn matches(&self) -> &Matches {
        &self.matches
    }

    /// What happens to a request of this route before its deadline is read.
    pub(super) fn arrival(&self) -> ArrivalLayer {
        ArrivalLayer(Arc::clone(&self.arrival))
    }
}

impl Arrival {
    fn begin<B>(&self, request: &mut Request<B>) {
        let Self { name, policy, dialects, edge } = self;
        note_route(request, name);
        routed(request, name, policy.name(), dialects);
        edge.hold(request);
        explain::admission(edge.held(request).unwrap_or(policy), dialects, request);
    }
}

/// Layer of [`Arrived`].
#[derive(Clone, Debug)]
pub(super) struct ArrivalLayer(Arc<Arrival>);

impl<S> Layer<S> for ArrivalLayer {
    type Service = Arrived<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Arrived { inner, arrival: Arc::clone(&self.0) }
    }
}

/// Changes a request where it stands: as tower's `MapRequest`, it would be handed over and back.
#[derive(Clone, Debug)]
pub(super) struct Arrived<S> {
    inner: S,
    arrival: Arc<Arrival>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Arrived<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.arrival.begin(&mut request);
        self.inner.call(request)
    }
}
