//! Policies by route: each request is held to the policy of its route.
//!
//! # What it covers
//!
//! - [`PolicySet`]: named policies, a default one, and which route has which;
//! - three ways in which a layer finds the route of a request, each a constructor of
//!   [`DeadlineLayer`](crate::DeadlineLayer) and of [`AdmitLayer`](crate::AdmitLayer): `by_matched_path`, the path
//!   as the router of axum has it (feature `axum-matched-path`), `by_grpc_method`, the path of the request, and
//!   `by`, whatever a closure says;
//! - a fourth without routes: `by_extension`, the policy that a layer further out has chosen;
//! - the TOML form of a set (feature `policy-toml`): `PolicySet::from_toml`, `PolicySet::read`, and
//!   `PolicySet::among` for a text that has more in it.
//!
//! It does not cover inheritance: a policy says everything that it wants. A request whose route nobody names,
//! or that has none, is held to the default policy. Once chosen, a policy stays with its request: its status,
//! coverage, reserve and mode hold to the end, and its name is the origin of what it grants.
//!
//! Two layers in a stack each choose for themselves, and the sooner deadline wins (R1).
//!
//! # Trying a policy out
//!
//! One that [observes](crate::Mode::Observe) stops nothing, arms no timer and changes no byte of an answer. With the feature
//! `metrics` it counts, for the recorder of the `metrics` facade, what it would have done if it enforced:
//!
//! | counter | labels | counts |
//! |---|---|---|
//! | `deadline_would_refuse_total` | `policy`, `reason` | requests that would have been refused at arrival: `exceeded`, `malformed` or `missing` |
//! | `deadline_would_exceed_total` | `policy`, `stage` | requests that were still running at their deadline, once each, and where they were then; not those that would have been refused |
//! | `deadline_would_withhold_total` | `policy` | outgoing calls that would not have been sent |
//!
//! Without a timer, a request is looked at when it is polled. What is ready at the first poll after its deadline is
//! counted, though a policy that enforces may have been just in time to deliver it.
//!
//! # Example
//!
//! In code:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt};
//! use tower_deadline::{DeadlineLayer, Policy, PolicySet, WatchedBody, current};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let set = PolicySet::new(Policy::new().default_timeout(Duration::from_secs(3)))?
//!     .policy(Policy::new().named("report").default_timeout(Duration::from_secs(300)))?
//!     .route("/shop.Reports/*", "report")?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(DeadlineLayer::by_grpc_method(set).boxed_errors())
//!     .service_fn(|_: Request<WatchedBody<Full<Bytes>>>| async {
//!         let budget = current().map(|deadline| deadline.budget().as_secs());
//!         Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(format!("{budget:?}"))))
//!     });
//! let request = Request::post("/shop.Reports/Yearly").body(Full::default())?;
//! let answer = service.clone().oneshot(request).await?.into_body().collect().await?;
//! assert_eq!(answer.to_bytes(), "Some(300)");
//! let request = Request::post("/shop.Payments/Charge").body(Full::default())?;
//! let answer = service.oneshot(request).await?.into_body().collect().await?;
//! assert_eq!(answer.to_bytes(), "Some(3)");
//! # Ok(())
//! # }
//! ```
//!
//! From TOML, for a router of axum:
//!
//! ```
//! # #[cfg(all(feature = "policy-toml", feature = "axum-matched-path"))]
//! # fn main() -> Result<(), tower::BoxError> {
//! use axum::{Router, routing::get};
//! use tower_deadline::{DeadlineLayer, PolicySet};
//!
//! let set = PolicySet::from_toml(r#"
//!     [policy.default]
//!     timeout = "3s"
//!
//!     [policy.report]
//!     timeout = "300s"
//!     max = "600s"
//!
//!     [route]
//!     "/reports/{id}" = "report"
//! "#)?;
//! let app: Router = Router::new()
//!     .route("/reports/{id}", get(|| async { "in time" }))
//!     .layer(DeadlineLayer::by_matched_path(set));
//! # let _ = app;
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "policy-toml", feature = "axum-matched-path")))]
//! # fn main() {}
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http_deadline::Policy;

mod choose;
mod conflict;
mod error;
#[cfg(feature = "policy-toml")]
mod file;
#[cfg(test)]
mod tests;

#[cfg(feature = "axum-matched-path")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum-matched-path")))]
pub use self::choose::ByMatchedPath;
pub use self::choose::{By, ByExtension, ByGrpcMethod, Choose, Head, OnePolicy};
pub use self::conflict::Conflict;
pub use self::error::PolicySetError;
#[cfg(feature = "policy-toml")]
#[cfg_attr(docsrs, doc(cfg(feature = "policy-toml")))]
pub use self::file::{Complaint, PolicyFileError};

/// What stands behind a route for every method of a gRPC service.
const EVERY_METHOD: &str = "/*";

/// Named policies, a default one, and which route has which; see the [module](self).
///
/// ```
/// use std::time::Duration;
/// use tower_deadline::{Policy, PolicySet};
///
/// let set = PolicySet::new(Policy::new())?
///     .policy(Policy::new().named("payment").default_timeout(Duration::from_secs(3)))?
///     .route("/charge", "payment")?;
/// assert_eq!(set.of_route("/charge").name().as_str(), "payment");
/// assert_eq!(set.of_route("/elsewhere").name().as_str(), "default");
/// # Ok::<_, tower_deadline::policies::PolicySetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PolicySet {
    default: Arc<Policy>,
    named: BTreeMap<&'static str, Arc<Policy>>,
    routes: HashMap<Box<str>, Arc<Policy>>,
    /// Services of gRPC whose every method is named: without the `/*` at the end.
    services: HashMap<Box<str>, Arc<Policy>>,
}

impl PolicySet {
    /// A set of one policy: the one for whatever no route names.
    ///
    /// # Errors
    ///
    /// [`PolicySetError`]: the name of the policy is empty, or its limits cannot be kept.
    pub fn new(default: Policy) -> Result<Self, PolicySetError> {
        checked(&default)?;
        Ok(Self::unchecked(default))
    }

    /// Adds a policy, under its [name](Policy::named).
    ///
    /// # Errors
    ///
    /// [`PolicySetError`]: its name is empty, there is one of this name already, or its limits cannot be kept.
    pub fn policy(mut self, policy: Policy) -> Result<Self, PolicySetError> {
        checked(&policy)?;
        if self.named.contains_key(policy.name().as_str()) {
            return Err(PolicySetError::DuplicatePolicy(policy.name()));
        }
        self.add(policy);
        Ok(self)
    }

    /// Holds the requests of `route` to the policy of this name, which was added before.
    ///
    /// What a route looks like is up to how the layer finds it: the path as it is written in the router, with
    /// its `{parameters}`; the path of a gRPC method, or `/package.Service/*` for all of a service, over which a
    /// method's own wins; or what the closure yields.
    ///
    /// # Errors
    ///
    /// [`PolicySetError`]: there is no such policy, or the route has one already.
    pub fn route(mut self, route: &str, policy: &str) -> Result<Self, PolicySetError> {
        let Some(policy) = self.named.get(policy).cloned() else {
            return Err(PolicySetError::UnknownPolicy { route: route.to_owned(), policy: policy.to_owned() });
        };
        if self.routes.contains_key(route) {
            return Err(PolicySetError::DuplicateRoute(route.to_owned()));
        }
        self.lead(route, &policy);
        Ok(self)
    }

    /// The policy for whatever no route names.
    #[must_use]
    pub fn default_policy(&self) -> &Arc<Policy> {
        &self.default
    }

    /// The policy of this very route, or the default one.
    #[must_use]
    pub fn of_route(&self, route: &str) -> &Arc<Policy> {
        self.routes.get(route).unwrap_or(&self.default)
    }

    /// The policy of the gRPC method with this path, `/package.Service/Method`: its own, that of its service, or
    /// the default one.
    #[must_use]
    pub fn of_grpc_method(&self, path: &str) -> &Arc<Policy> {
        let of_service = || self.services.get(path.rsplit_once('/')?.0);
        self.routes.get(path).or_else(of_service).unwrap_or(&self.default)
    }

    /// The policy of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Policy>> {
        self.named.get(name)
    }

    /// Every policy, in the order of the names.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.named.values().map(|policy| &**policy)
    }

    fn unchecked(default: Policy) -> Self {
        let (name, default) = (default.name().as_str(), Arc::new(default));
        let named = BTreeMap::from([(name, Arc::clone(&default))]);
        Self { default, named, routes: HashMap::new(), services: HashMap::new() }
    }

    fn add(&mut self, policy: Policy) {
        self.named.insert(policy.name().as_str(), Arc::new(policy));
    }

    fn lead(&mut self, route: &str, policy: &Arc<Policy>) {
        if let Some(service) = route.strip_suffix(EVERY_METHOD) {
            self.services.insert(service.into(), Arc::clone(policy));
        }
        self.routes.insert(route.into(), Arc::clone(policy));
    }
}

/// Whether this is no name: nobody finds it in a label or a log.
fn is_unnamed(name: &str) -> bool {
    name.trim().is_empty()
}

fn checked(policy: &Policy) -> Result<(), PolicySetError> {
    if is_unnamed(policy.name().as_str()) {
        return Err(PolicySetError::Unnamed);
    }
    match Conflict::all(policy).into_iter().next() {
        Some(conflict) => Err(PolicySetError::Conflict { policy: policy.name(), conflict }),
        None => Ok(()),
    }
}
