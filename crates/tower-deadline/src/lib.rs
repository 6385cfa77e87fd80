//! Tower layers that make a request's deadline real: from the client's header through every layer, outgoing
//! call and spawned task, to an answer that says why it stopped.
//!
//! # Which layer, in which order
//!
//! | layer | where | what it does |
//! |---|---|---|
//! | [`DeadlineLayer`] | server, as far out as possible | the three below in one, the paved path |
//! | [`AdmitLayer`] | server, outermost | header and policy become a [`Deadline`], or the request is refused |
//! | [`RescueLayer`] | server, inside of it | [`Exceeded`] becomes an answer that says why |
//! | [`EnforceLayer`] | server, innermost of the three | head and both bodies end in time |
//! | [`HopByHopLayer`] | proxy, between server and client side | what concerns one connection does not cross |
//! | [`PropagateLayer`] | around each client | what is left travels on, and bounds the call |
//!
//! And for code without a request in its hands: [`current`], [`remaining`], [`scope`](scope()), [`spawn`], [`detach`].
//!
//! # Example
//!
//! A service that calls another: whatever its client asked for bounds its own work, and what is left of it
//! goes along with the call.
//!
//! ```
//! use axum::{Router, body::Body, extract::State, routing::get};
//! use http::Request;
//! use http_body_util::BodyExt;
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//! # #[cfg(feature = "axum")]
//! use tower_deadline::axum::Failure;
//! use tower_deadline::{DeadlineLayer, Policy, PropagateLayer, propagate::Propagate};
//!
//! # #[cfg(feature = "axum")]
//! # fn main() {
//! type Payments = Propagate<Client<HttpConnector, Body>>;
//!
//! async fn order(State(payments): State<Payments>) -> Result<String, Failure> {
//!     let request = Request::get("http://payments.internal/charge").body(Body::empty())?;
//!     let charged = payments.oneshot(request).await?.into_body().collect().await?;
//!     Ok(format!("charged {} bytes", charged.to_bytes().len()))
//! }
//!
//! let client = Client::builder(TokioExecutor::new()).build_http();
//! let payments = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
//! let policy = Policy::new().default_timeout(Duration::from_secs(3)).reserve(Duration::from_millis(20));
//! let app: Router = Router::new()
//!     .route("/order", get(order))
//!     .layer(DeadlineLayer::new(policy).hop("orders"))
//!     .with_state(payments);
//! # let _ = app;
//! # }
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! - `axum`: the extractor `RequestDeadline` and the error `Failure`, in the module `axum`;
//! - `http2`: an HTTP/2 stream that ends at its deadline is reset with `CANCEL`, not `INTERNAL_ERROR`;
//! - `reqwest`: a reqwest client whose calls carry what is left, in the module `reqwest`;
//! - `reqwest-middleware`: the same as a middleware of reqwest-middleware.
//!
//! # Differences from `tower::timeout` and `tower_http::timeout`
//!
//! - They count from the call and know nothing of the client's wish; here one deadline, fixed at arrival,
//!   covers readiness, head and both bodies, and travels on.
//! - A head that is ready at the very instant is delivered; `tower_http`'s polls its timer first.
//! - An inner future that uses up tokio's cooperative budget cannot keep the timer from firing.
//! - The error type of the inner service stays.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod admit;
pub mod answer;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
pub mod enforce;
pub mod hop_by_hop;
pub mod propagate;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod reqwest;
pub mod rescue;
pub mod scope;
pub mod stack;

mod answer_body;
mod body_error;
#[cfg(test)]
mod testing;
mod timer;
mod watch;
mod watched_body;

pub use http_deadline::{
    Cause, Covers, Deadline, Dialect, Dialects, Exceeded, Journey, Mode, OnInvalid, OnMissing, Origin, OriginKind,
    Policy, Refusal, Stage, current, dialect, enter,
};

pub use self::admit::{Admit, AdmitLayer};
pub use self::answer::Answers;
pub use self::answer_body::AnswerBody;
pub use self::body_error::{BodyError, BoxError};
pub use self::enforce::{Enforce, EnforceLayer, EnforcedBody};
pub use self::hop_by_hop::{HopByHop, HopByHopLayer, UpgradePolicy};
pub use self::propagate::{Propagate, PropagateError, PropagateLayer};
pub use self::rescue::{Rescue, RescueLayer};
pub use self::scope::{RequestEnded, detach, scope, spawn};
pub use self::stack::{DeadlineBody, DeadlineLayer, DeadlineService};
pub use self::timer::{now, remaining};
pub use self::watched_body::WatchedBody;
