//! The paved path: one layer that admits, enforces and rescues.
//!
//! Covers what a server needs. From the outside in: [`admit`](crate::admit) fixes the deadline or refuses,
//! [`rescue`](crate::rescue) answers for what was stopped, [`enforce`](crate::enforce) stops it. Each of them
//! exists alone too. Does not propagate: put a [`PropagateLayer`](crate::PropagateLayer) around each client.
//!
//! It is one service, and does what [`AdmitLayer`], [`RescueLayer`](crate::RescueLayer) and
//! [`EnforceLayer`](crate::EnforceLayer) do one around the other, but for one thing: in the extensions of a request
//! without a deadline it leaves nothing, no [`Journey`](crate::Journey) either. What is spawned or scoped within such a
//! request ends with it all the same.
//!
//! # Where it stands
//!
//! As far out as possible, but inside of what must see every answer (traces, access logs). Limits, load
//! shedding by number and authentication stand inside; on axum, `Router::layer` is far enough out.
//!
//! # Example
//!
//! ```
//! use axum::{Router, routing::get};
//! use std::time::Duration;
//! use tower_deadline::{DeadlineLayer, Policy};
//!
//! let policy = Policy::new().default_timeout(Duration::from_secs(3));
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "in time" }))
//!     .layer(DeadlineLayer::new(policy).hop("orders"));
//! # let _ = app;
//! ```
//!
//! On a service whose error is boxed, as behind tower's own limits:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, BoxError};
//! use tower_deadline::{DeadlineLayer, Policy, WatchedBody};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(DeadlineLayer::new(Policy::new()).boxed_errors())
//!     .service_fn(|_: Request<WatchedBody<Full<Bytes>>>| async {
//!         Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("in time")))
//!     });
//! let response = service.oneshot(Request::new(Full::default())).await?;
//! # assert!(response.status().is_success());
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http_deadline::{Dialects, Policy};
use tower_layer::Layer;

#[cfg(feature = "axum-matched-path")]
use crate::policies::ByMatchedPath;
use crate::policies::{By, ByExtension, ByGrpcMethod, Head, OnePolicy, PolicySet};
use crate::rescue::{Boxed, Typed};
use crate::{AdmitLayer, Answers};

mod future;
mod service;

pub use self::future::DeadlineFuture;
pub use self::service::{DeadlineBody, DeadlineService};

/// Admits, enforces and rescues; see the [module](self).
///
/// `K` is the kind of the inner service's errors; `C` is how the policy of a request is found, see
/// [`policies`](crate::policies).
#[derive(Clone, Debug)]
pub struct DeadlineLayer<K = Typed, C = OnePolicy> {
    admit: AdmitLayer<C>,
    kind: PhantomData<fn() -> K>,
}

impl DeadlineLayer {
    /// Holds every request to this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        DeadlineLayer::admitting(AdmitLayer::new(policy))
    }

    /// Holds each request to the policy that a layer further out has put into its extensions, as an `Arc<Policy>`;
    /// without one, to the default.
    ///
    /// ```
    /// use http::Request;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tower::ServiceBuilder;
    /// use tower_deadline::{DeadlineLayer, Policy};
    ///
    /// let paying = Arc::new(Policy::new().named("paying").default_timeout(Duration::from_secs(30)));
    /// let others = Policy::new().default_timeout(Duration::from_secs(3));
    /// let layers = ServiceBuilder::new()
    ///     .map_request(move |mut request: Request<()>| {
    ///         if request.headers().contains_key("x-paying") {
    ///             request.extensions_mut().insert(Arc::clone(&paying));
    ///         }
    ///         request
    ///     })
    ///     .layer(DeadlineLayer::by_extension(others));
    /// # let _ = layers;
    /// ```
    #[must_use]
    pub fn by_extension(default: impl Into<Arc<Policy>>) -> DeadlineLayer<Typed, ByExtension> {
        DeadlineLayer::admitting(AdmitLayer::by_extension(default))
    }

    /// Holds each request to the policy of the path that axum's router matched, as it is written in the router:
    /// `/reports/{id}`, and with what a router is nested under in front of it. What the router does not match, its
    /// fallback, has the default policy.
    ///
    /// The layer goes onto the router, [`Router::layer`](::axum::Router::layer): around it, nothing is matched yet,
    /// and every request has the default policy. So it has where the router is of another axum than 0.8, whose
    /// paths this crate does not know; [`by`](Self::by) reads them.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use std::time::Duration;
    /// use tower_deadline::{DeadlineLayer, Policy, PolicySet};
    ///
    /// let set = PolicySet::new(Policy::new().default_timeout(Duration::from_secs(3)))?
    ///     .policy(Policy::new().named("report").default_timeout(Duration::from_secs(300)))?
    ///     .route("/reports/{id}", "report")?;
    /// let app: Router = Router::new()
    ///     .route("/reports/{id}", get(|| async { "in time" }))
    ///     .layer(DeadlineLayer::by_matched_path(set));
    /// # let _ = app;
    /// # Ok::<_, tower_deadline::policies::PolicySetError>(())
    /// ```
    #[cfg(feature = "axum-matched-path")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum-matched-path")))]
    #[must_use]
    pub fn by_matched_path(set: impl Into<Arc<PolicySet>>) -> DeadlineLayer<Typed, ByMatchedPath> {
        DeadlineLayer::admitting(AdmitLayer::by_matched_path(set))
    }

    /// Holds each request to the policy of the gRPC method that is called, which is the path of the request:
    /// `/package.Service/Method`. `/package.Service/*` stands for every method that is not named itself.
    #[must_use]
    pub fn by_grpc_method(set: impl Into<Arc<PolicySet>>) -> DeadlineLayer<Typed, ByGrpcMethod> {
        DeadlineLayer::admitting(AdmitLayer::by_grpc_method(set))
    }

    /// Holds each request to the policy of the route that this closure yields; `None`, and a route that the set
    /// does not know, is the default policy.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_deadline::{DeadlineLayer, Policy, PolicySet};
    ///
    /// let set = PolicySet::new(Policy::new().default_timeout(Duration::from_secs(3)))?
    ///     .policy(Policy::new().named("batch").default_timeout(Duration::from_secs(300)))?
    ///     .route("nightly", "batch")?;
    /// let layer = DeadlineLayer::by(set, |head| Some(head.headers().get("x-job")?.to_str().ok()?.into()));
    /// # let _ = layer;
    /// # Ok::<_, tower_deadline::policies::PolicySetError>(())
    /// ```
    #[must_use]
    pub fn by<F>(set: impl Into<Arc<PolicySet>>, route: F) -> DeadlineLayer<Typed, By<F>>
    where
        F: for<'a> Fn(Head<'a>) -> Option<Cow<'a, str>>,
    {
        DeadlineLayer::admitting(AdmitLayer::by(set, route))
    }
}

impl<C> DeadlineLayer<Typed, C> {
    fn admitting(admit: AdmitLayer<C>) -> Self {
        Self { admit, kind: PhantomData }
    }
}

impl<K, C> DeadlineLayer<K, C> {
    /// Reads these dialects.
    #[must_use]
    pub fn dialects(mut self, dialects: Dialects) -> Self {
        self.admit = self.admit.dialects(dialects);
        self
    }

    /// Ends calls of gRPC so much sooner than they ask for; see [`AdmitLayer::grpc_guard`].
    #[must_use]
    pub fn grpc_guard(mut self, guard: Duration) -> Self {
        self.admit = self.admit.grpc_guard(guard);
        self
    }

    /// The name of this hop, in every answer that is a head; the trailers that end a stream do not name it.
    #[must_use]
    pub fn hop(self, name: &str) -> Self {
        let answers = self.admit.used_answers().clone().hop(name);
        self.answers(answers)
    }

    /// Answers in this way. It replaces what [`hop`](Self::hop) said: call that after it, or name the hop in `answers`.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.admit = self.admit.answers(answers);
        self
    }

    /// For an inner service whose error is a [`BoxError`](crate::BoxError).
    #[must_use]
    pub fn boxed_errors(self) -> DeadlineLayer<Boxed, C> {
        DeadlineLayer { admit: self.admit, kind: PhantomData }
    }
}

impl<S, K, C: Clone> Layer<S> for DeadlineLayer<K, C> {
    type Service = DeadlineService<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService::new(inner, self.admit.clone())
    }
}

#[cfg(test)]
mod tests;
