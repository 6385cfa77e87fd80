//! Tower layers that make a request's deadline real: from the client's header through every layer, outgoing
//! call and spawned task, to an answer that says why it stopped.
//!
//! # Which layer, in which order, with which client
//!
//! | you have | you put | where it stands |
//! |---|---|---|
//! | a server of axum or hyper, or any `Service<http::Request<_>>` | [`DeadlineLayer`] | as far out as possible, but inside of what must see every answer: traces, access logs. Limits and authentication stand inside; on axum, `Router::layer` is far enough out |
//! | … and a policy for each route | [`DeadlineLayer::by`], [`by_grpc_method`](DeadlineLayer::by_grpc_method), or `by_matched_path` (feature `axum-matched-path`) | the same; for matched paths on the router itself: [`policies`] |
//! | … whose error is boxed, as behind tower's limits | [`DeadlineLayer::boxed_errors`] | the same |
//! | a server of tonic | [`DeadlineLayer`] | around its `Routes`, on a server of axum or hyper |
//! | … under tonic's own builder | [`DeadlineLayer::grpc_guard`] with [`TONIC_GUARD`](admit::TONIC_GUARD) | `Server::builder().layer(…)`, which stands inside of tonic's own timeout |
//! | a reverse proxy | [`DeadlineLayer`], [`HopByHopLayer`], [`PropagateLayer`] | in this order, from the client to the upstream |
//! | a stack of your own | [`AdmitLayer`], [`RescueLayer`], [`EnforceLayer`] | in this order, from the outside in; each works alone too |
//! | hyper-util's `Client` | [`PropagateLayer`] | directly around the client; retries outside of it, so that each attempt is told what is left then |
//! | … whose calls are to be looked into | [`PropagateLayer::trace`], and what [`propagate::trace`] has for connectors | on the layer, and around the parts of the client |
//! | tonic's `Channel` | [`PropagateLayer`] | directly around the channel |
//! | … in a stack that cannot be changed | [`PropagateLayer::write`] | in an interceptor; a [`scope`](scope()) around the call bounds it |
//! | reqwest's `Client` | `PropagateLayer::reqwest` (feature `reqwest`) | makes the client, whose redirects and retries are attempts of their own |
//! | reqwest-middleware | `ReqwestBuilder::build_middleware` (feature `reqwest-middleware`) | attached last; retries outside of it |
//! | layers of others, of which one may lose the deadline | [`DeadlineGuardLayer`] | inside of them, or around a client |
//! | work that ends with its request | [`spawn`], for blocking code [`spawn_blocking`] | in place of tokio's |
//! | work that outlives its request | [`detach`] | in place of `tokio::spawn` |
//! | work that several requests wait for | [`share`] | around the work |
//! | any other work, with a deadline or a cancellation of its own | [`scope`](scope()) | around the future |
//!
//! What has no request in its hands asks [`current`], [`remaining`] and [`ended`].
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
//! use tower_deadline::{DeadlineLayer, Exceeded, Policy, PropagateLayer, propagate::Propagate};
//!
//! # #[cfg(feature = "axum")]
//! # fn main() {
//! type Payments = Propagate<Client<HttpConnector, Body>>;
//!
//! async fn order(State(payments): State<Payments>) -> Result<String, Failure> {
//!     let request = Request::get("http://payments.internal/charge").body(Body::empty())?;
//!     let charged = payments.oneshot(request).await?;
//!     // A 504 is a response like any other. One that tells of our own deadline carries the reason.
//!     if let Some(exceeded) = charged.extensions().get::<Exceeded>() {
//!         return Err(exceeded.clone().into());
//!     }
//!     if !charged.status().is_success() {
//!         return Err(format!("payments answered {}", charged.status()).into());
//!     }
//!     Ok(format!("charged {} bytes", charged.into_body().collect().await?.to_bytes().len()))
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
//! - `axum-matched-path`: policies by the path that axum's router matched;
//! - `http2`: an HTTP/2 stream that ends at its deadline is reset with `CANCEL`, not `INTERNAL_ERROR`;
//! - `metrics`: what an observing policy would have done and what becomes of cancellations is counted, by the
//!   `metrics` facade;
//! - `opentelemetry`: the spans of the feature `tracing` go on with the trace that a request came with, and calls carry it on;
//! - `policy-toml`: policies are read from TOML;
//! - `reqwest`: a reqwest client whose calls carry what is left, in the module `reqwest`;
//! - `reqwest-middleware`: the same as a middleware of reqwest-middleware;
//! - `tracing`: a span for each request and each outgoing call, in the module `trace`; refusals, stops and lost deadlines are told as
//!   events, in the module `log`.
//!
//! # Differences from `tower::timeout` and `tower_http::timeout`
//!
//! They limit one call, or one body, by a duration of their own, and do that well. Here one deadline is fixed when
//! the request arrives, covers readiness, head and both bodies, and travels on with outgoing calls. What follows was
//! seen by a test, which runs each line against all three and fails when one of them changes.
//!
//! | before the head | `tower` | `tower_http` | here | why |
//! |---|---|---|---|---|
//! | head ready 1 ms before the limit | delivered | delivered | delivered | — |
//! | head ready at the very instant | delivered | an empty response | delivered | the work is done; a hop that keeps the same deadline answers at this very instant |
//! | no head at the limit | an error | an empty response | a response that tells why | an error closes the connection without a word, and an empty 504 does not say whose limit it was |
//! | error type of the inner service | boxed | kept | kept | axum takes services that cannot fail, and needs no `HandleErrorLayer` then |
//! | inner future at the limit, while the outer one is held | kept | kept | dropped | what nobody waits for holds no lock, connection or memory; dropping is cancelling |
//! | outer future, polled again | the same again | the same again | nothing | a request is answered once, whoever polls |
//! | inner future uses up tokio's cooperative budget | runs on | stopped | stopped | the timer is polled outside the budget, so nothing inside can starve it |
//! | inner service is not ready | waits on | waits on | stopped | time in a queue is time that the client waits; the place in the queue is kept |
//! | response body stalls | waits on | waits on | ends with an error | a limit on the head alone leaves a body that stalls open for ever |
//! | limit of zero | delivered | called, and its answer lost | not called | who has no time left has no use for the work |
//! | limit of `Duration::MAX` | no limit | no limit | no limit | — |
//! | client asks for less | not looked at | not looked at | kept to | nobody waits for what comes after that |
//!
//! | in a body | `TimeoutBody` | `DeadlineBody` | here | why |
//! |---|---|---|---|---|
//! | frame 1 ms before the limit | the frame | the frame | the frame | — |
//! | frame at the very instant | an error | an error | an error | — |
//! | trailers | the trailers | the trailers | the trailers | — |
//! | a frame every 200 ms, limit of 300 ms | goes on | an error | an error | whoever dribbles holds a request no longer than whoever does not |
//! | head after 200 ms, read 50 ms later, limit of 300 ms | ends at 550 ms | ends at 500 ms | ends at 300 ms | the limit counts from the arrival, not from the head or the first look |
//! | size hint | lost | passed | passed | without it a response has no `Content-Length` |
//! | `is_end_stream` | lost | passed | passed | without it an empty body is sent in chunks |
//! | what the error tells | that it was late | that it was late | stage, cause and origin | whoever reads the log wants to know where the time went |
//! | after the error | an error | an error | the end | a reader that skips errors would go round for ever |
//! | inner body after the error | kept | kept | dropped | dropping is cancelling |
//! | after the end, once the limit has passed | the end | an error | the end | what was whole in time stays so |
//! | late frame, in a task without cooperative budget left | the frame | the frame | an error | the clock is looked at, whatever the budget |
//!
//! An idle limit, which starts anew with each frame, is another thing than a deadline: put `tower_http`'s inside of
//! ours where both are wanted. For a limit that is the same for every request, and knows no client and no next hop,
//! theirs are enough.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod admit;
pub mod answer;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
pub mod enforce;
pub mod guard;
pub mod hop_by_hop;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub mod log;
pub mod policies;
pub mod propagate;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod reqwest;
pub mod rescue;
pub mod scope;
pub mod stack;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub mod trace;
#[cfg(not(feature = "tracing"))]
#[path = "trace/untold.rs"]
mod trace;

mod account;
mod answer_body;
mod answer_detail;
mod body_error;
mod code;
mod connect;
mod count;
mod envelope;
mod grpc;
mod local_limit;
#[cfg(not(feature = "tracing"))]
#[path = "log/silent.rs"]
mod log;
mod observed;
#[cfg(test)]
mod testing;
mod timer;
mod watch;
mod watched_body;

pub use http_deadline::{
    CallEvent, Cancellation, Cause, Covers, Deadline, Detail, Dialect, Dialects, Exceeded, Journey, Ledger, Listener,
    Mode, Note, OnInvalid, OnMissing, Origin, OriginKind, Outgoing, Policy, PolicyName, Refusal, Stage, StageGuard,
    Statuses, current, dialect, enter,
};

pub use self::account::Spent;
pub use self::admit::{Admit, AdmitLayer};
pub use self::answer::Answers;
pub use self::answer_body::AnswerBody;
pub use self::answer_detail::AnswerDetail;
pub use self::body_error::{BodyError, BoxError};
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use self::count::describe_metrics;
pub use self::enforce::{Enforce, EnforceLayer, EnforcedBody};
pub use self::guard::{DeadlineGuard, DeadlineGuardLayer, LostDeadline};
pub use self::hop_by_hop::{HopByHop, HopByHopLayer, UpgradePolicy};
pub use self::policies::PolicySet;
pub use self::propagate::{Propagate, PropagateError, PropagateLayer};
pub use self::rescue::{Rescue, RescueLayer};
pub use self::scope::{
    Canceller, RequestEnded, Scope, Shared, Wait, WaitError, detach, ended, scope, share, spawn, spawn_blocking,
};
pub use self::stack::{DeadlineBody, DeadlineLayer, DeadlineService};
pub use self::timer::{StandingTimer, now, remaining};
pub use self::watched_body::WatchedBody;
