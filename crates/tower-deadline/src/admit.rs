//! Admit: a request arrives, and its deadline is fixed or it is refused.
//!
//! Covers reading the header dialects, the policy's decision, and what the rest of the stack works with: a
//! [`Deadline`] and a [`Journey`] in the extensions of the request. A refused request is answered at once and
//! the inner service is not called (R10). Does not watch the clock after that: [`enforce`](crate::enforce) does.
//!
//! # Stacked
//!
//! A second layer further in reads the headers again under its own policy and resolves to the sooner of what
//! it finds: its own, the one in the extensions, the ambient one (R1). A middleware that puts a later deadline
//! into the extensions lengthens nothing.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_deadline::{AdmitLayer, Deadline, Policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(AdmitLayer::new(Policy::new().default_timeout(Duration::from_secs(3))))
//!     .service_fn(|request: Request<()>| async move {
//!         let budget = request.extensions().get::<Deadline>().map(|deadline| deadline.budget());
//!         assert_eq!(budget, Some(Duration::from_millis(300)));
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("in time")))
//!     });
//!
//! let request = Request::get("/").header("x-request-timeout", "300ms").body(())?;
//! assert_eq!(service.clone().oneshot(request).await?.status(), StatusCode::OK);
//! let request = Request::get("/").header("x-request-timeout", "abc").body(())?;
//! assert_eq!(service.oneshot(request).await?.status(), StatusCode::BAD_REQUEST);
//! # Ok(())
//! # }
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_deadline::dialect::Call;
use http_deadline::{Ambient, Deadline, Dialects, Journey, Policy, Refusal};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Answers;
use crate::timer::{now, wall};

/// Applies [`Admit`]; see the [module](self).
#[derive(Clone, Debug)]
pub struct AdmitLayer {
    policy: Arc<Policy>,
    dialects: Arc<Dialects>,
    answers: Answers,
}

impl AdmitLayer {
    /// Admits under this policy, reading the default dialects.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy: Arc::new(policy), dialects: Arc::default(), answers: Answers::default() }
    }

    /// Reads these dialects.
    #[must_use]
    pub fn dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = Arc::new(dialects);
        self
    }

    /// Answers refused requests in this way.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }
}

impl<S> Layer<S> for AdmitLayer {
    type Service = Admit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admit { inner, layer: self.clone() }
    }
}

/// Fixes the deadline of each request, or refuses it; see the [module](self).
#[derive(Clone, Debug)]
pub struct Admit<S> {
    inner: S,
    layer: AdmitLayer,
}

impl<S, RB, B> Service<Request<RB>> for Admit<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
    B: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AdmitFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        match self.layer.admit(&mut request) {
            Ok(()) => AdmitFuture::Admitted(self.inner.call(request)),
            Err(refusal) => {
                let call = Call::of(request.headers());
                let status = self.layer.policy.status_code();
                let answer = self.layer.answers.refusal(&refusal, status, call);
                AdmitFuture::Refused(Some(answer.map(B::from)))
            }
        }
    }
}

impl AdmitLayer {
    fn admit<RB>(&self, request: &mut Request<RB>) -> Result<(), Refusal> {
        let asked = self.dialects.read(request.headers(), wall(&self.dialects));
        let admitted = self.policy.admit(&asked, now())?;
        let extensions = request.extensions_mut();
        // What is only observed further out stops nothing here.
        let observed = |journey: Option<&Journey>| journey.is_some_and(|journey| journey.policy().is_observed());
        let around = Ambient::current();
        let inserted = extensions.get().copied().filter(|_| !observed(extensions.get()));
        let found = [admitted.deadline(), inserted, around.deadline().filter(|_| !observed(around.journey()))];
        if let Some(deadline) = found.into_iter().flatten().reduce(Deadline::sooner) {
            extensions.insert(deadline);
        }
        let (policy, client_asked) = (Arc::clone(&self.policy), admitted.client_asked());
        extensions.insert(match extensions.get::<Journey>() {
            Some(outer) => outer.part_under(policy, client_asked),
            None => Journey::new(policy, client_asked),
        });
        Ok(())
    }
}

/// The response of [`Admit`]. Dropping it cancels the inner service's.
#[pin_project(project = AdmitProjection)]
#[derive(Debug)]
pub enum AdmitFuture<F, B> {
    /// The request was let in: the inner service's response.
    Admitted(#[pin] F),
    /// It was refused: the answer.
    Refused(Option<Response<B>>),
}

impl<F, B, E> Future for AdmitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AdmitProjection::Admitted(inner) => inner.poll(cx),
            AdmitProjection::Refused(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
        }
    }
}

#[cfg(test)]
mod tests;
