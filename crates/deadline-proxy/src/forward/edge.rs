//! What a stranger's deadline is worth, where strangers come in.
//!
//! Covers clients of a listener at the [edge](Side::Edge) who are not trusted: what they ask for shortens what the policy
//! gives by default and does not lengthen it, or it does not count at all. Their `X-Request-Start` counts nowhere.

use std::sync::Arc;

use http::{HeaderMap, Request};
use tower_deadline::{Dialects, Policy};

use crate::client::{Side, Strangers};

/// In the extensions of a request that may not ask for more than it has by default.
#[derive(Clone, Copy, Debug)]
struct Capped;

/// In the extensions of a request that came from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger;

/// Decides what the deadline fields of a request are worth, before anybody reads them.
pub(super) fn receive<B>(request: &mut Request<B>, side: Side, believed: bool) {
    if side != Side::Internal && !believed {
        request.extensions_mut().insert(Stranger);
    }
    match side {
        Side::Edge(Strangers::Cap) if !believed => drop(request.extensions_mut().insert(Capped)),
        Side::Edge(Strangers::Drop) if !believed => ignore(request.headers_mut()),
        Side::Edge(_) | Side::Internal => {}
    }
}

/// Removes every deadline field.
fn ignore(headers: &mut HeaderMap) {
    let is_heard = tracing::enabled!(target: "explain", tracing::Level::DEBUG);
    let came = is_heard.then(|| headers.clone());
    Dialects::default().strip(headers);
    for name in came.iter().flat_map(HeaderMap::keys).filter(|name| !headers.contains_key(*name)) {
        tracing::debug!(target: "explain", "deadline: {name} is ignored: strangers at the edge cannot ask for time");
    }
}

/// What strangers are held to on a route, where that is another policy than that of all others.
#[derive(Clone, Debug)]
pub(crate) struct EdgePolicy(Option<Arc<Policy>>);

impl EdgePolicy {
    /// The same policy, but for what it grants to who asks for more than the default.
    pub(crate) fn of(policy: &Policy) -> Self {
        let grants = policy.timeout().filter(|timeout| policy.cap().is_some_and(|cap| cap > *timeout));
        Self(grants.map(|timeout| Arc::new(policy.clone().max(timeout))))
    }

    /// Chooses it for a request that may not ask for more (R7).
    pub(crate) fn hold<B>(&self, request: &mut Request<B>) {
        let Some(policy) = &self.0 else { return };
        let extensions = request.extensions_mut();
        if extensions.get::<Capped>().is_some() {
            extensions.insert(Arc::clone(policy));
        }
    }

    /// What a request is held to that it was chosen for; `None`: what all others are held to.
    pub(crate) fn held<'a, B>(&self, request: &'a Request<B>) -> Option<&'a Arc<Policy>> {
        self.0.as_ref().and_then(|_| request.extensions().get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::time::Duration;

    use http::Response;
    use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
    use tower_deadline::{AdmitLayer, Deadline};

    use crate::client::Client;
    use crate::forward::tests::{STRANGER, TRUSTED, request, settings};
    use crate::forward::{ReceiveLayer, tests::lines};

    const FIELD: &str = "x-request-timeout";

    /// The budget of a request that asks for this, in milliseconds.
    async fn budget(policy: Policy, peer: &str, side: Side, asked: &str) -> Option<u128> {
        let mut request = request(peer, &[(FIELD, asked)]);
        if let Some(client) = request.extensions_mut().get_mut::<Client>() {
            client.side = side;
        }
        let edge = EdgePolicy::of(&policy);
        let inner = ServiceBuilder::new()
            .map_request(move |mut request| {
                edge.hold(&mut request);
                request
            })
            .layer(AdmitLayer::by_extension(policy))
            .service(service_fn(async |request: Request<()>| {
                let budget = request.extensions().get().map(|deadline: &Deadline| deadline.budget().as_millis());
                Ok::<_, Infallible>(Response::builder().extension(budget).body(bytes::Bytes::new()).unwrap())
            }));
        let answer = ReceiveLayer::new(&settings(), "edge").unwrap().layer(inner).oneshot(request).await.unwrap();
        answer.extensions().get::<Option<u128>>().copied().flatten()
    }

    // R7
    #[tokio::test(start_paused = true)]
    async fn a_stranger_at_the_edge_shortens_and_does_not_lengthen() {
        let policy = || Policy::new().default_timeout(Duration::from_secs(3)).max(Duration::from_secs(30));
        let (cap, drop) = (Side::Edge(Strangers::Cap), Side::Edge(Strangers::Drop));
        for (peer, side, asked, budget_ms) in [
            (STRANGER, Side::Internal, "10s", 10_000),
            (STRANGER, cap, "10s", 3_000),
            (STRANGER, cap, "3001ms", 3_000),
            (STRANGER, cap, "2999ms", 2_999),
            (STRANGER, drop, "10s", 3_000),
            (STRANGER, drop, "1s", 3_000),
            (STRANGER, drop, "soon", 3_000),
            (TRUSTED, cap, "10s", 10_000),
            (TRUSTED, drop, "1s", 1_000),
        ] {
            assert_eq!(budget(policy(), peer, side, asked).await, Some(budget_ms), "{peer} {side:?} {asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_given_by_default_there_is_nothing_to_lengthen() {
        let cap = Side::Edge(Strangers::Cap);
        assert_eq!(budget(Policy::new(), STRANGER, cap, "10s").await, Some(10_000));
        let capped = Policy::new().max(Duration::from_secs(5));
        assert_eq!(budget(capped, STRANGER, cap, "10s").await, Some(5_000));
    }

    #[test]
    fn a_stranger_whose_fields_are_dropped_has_none() {
        for (side, kept) in [(Side::Edge(Strangers::Drop), false), (Side::Edge(Strangers::Cap), true)] {
            let mut request = request(STRANGER, &[(FIELD, "1s"), ("grpc-timeout", "1S")]);
            receive(&mut request, side, false);
            assert_eq!(lines(request.headers(), FIELD).is_empty(), !kept);
            assert_eq!(request.headers().contains_key("grpc-timeout"), kept);
        }
    }
}
