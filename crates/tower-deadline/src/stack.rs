//! The paved path: one layer that admits, enforces and rescues.
//!
//! Covers what a server needs. From the outside in: [`admit`](crate::admit) fixes the deadline or refuses,
//! [`rescue`](crate::rescue) answers for what was stopped, [`enforce`](crate::enforce) stops it. Each of them
//! exists alone too. Does not propagate: put a [`PropagateLayer`](crate::PropagateLayer) around each client.
//!
//! # Where it stands
//!
//! As far out as possible, but inside of what must see every answer (traces, access logs). Limits, load
//! shedding by number, authentication and routing stand inside.
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

use std::time::Duration;

use http_deadline::{Dialects, Policy};
use tower_layer::Layer;

use crate::rescue::{Boxed, Typed};
use crate::{Admit, AdmitLayer, AnswerBody, Answers, Enforce, EnforceLayer, EnforcedBody, Rescue, RescueLayer};

/// Admits, enforces and rescues; see the [module](self).
#[derive(Clone, Debug)]
pub struct DeadlineLayer<K = Typed> {
    admit: AdmitLayer,
    rescue: RescueLayer<K>,
    answers: Answers,
}

/// What [`DeadlineLayer`] makes of a service.
pub type DeadlineService<S, K = Typed> = Admit<Rescue<Enforce<S>, K>>;

/// The response body of a [`DeadlineService`].
pub type DeadlineBody<B> = AnswerBody<EnforcedBody<B>>;

impl DeadlineLayer {
    /// Holds every request to this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { admit: AdmitLayer::new(policy), rescue: RescueLayer::new(), answers: Answers::new() }
    }
}

impl<K> DeadlineLayer<K> {
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

    /// The name of this hop, in every answer.
    #[must_use]
    pub fn hop(self, name: &str) -> Self {
        let answers = self.answers.clone().hop(name);
        self.answers(answers)
    }

    /// Answers in this way.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.admit = self.admit.answers(answers.clone());
        self.rescue = self.rescue.answers(answers.clone());
        self.answers = answers;
        self
    }

    /// For an inner service whose error is a [`BoxError`](crate::BoxError).
    #[must_use]
    pub fn boxed_errors(self) -> DeadlineLayer<Boxed> {
        DeadlineLayer { admit: self.admit, rescue: self.rescue.boxed_errors(), answers: self.answers }
    }
}

impl<S, K> Layer<S> for DeadlineLayer<K> {
    type Service = DeadlineService<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let enforce = EnforceLayer::new().layer(inner);
        self.admit.layer(self.rescue.layer(enforce))
    }
}

#[cfg(test)]
mod tests;
