//! Admit: a request arrives, and its deadline is fixed or it is refused.
//!
//! Covers reading the header dialects, the policy's decision, and what the rest of the stack works with: a
//! [`Deadline`] and a [`Journey`] in the extensions of the request. A refused request is answered at once and
//! the inner service is not called (R10). Does not watch the clock after that: [`enforce`](crate::enforce) does.
//! The entry of a policy's ledger is written here, into the response that comes back; an error has none.
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

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_deadline::dialect::Call;
use http_deadline::{Ambient, Deadline, Dialects, Journey, OriginKind, Policy, Refusal};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::account::{Accounts, Came, Open};
use crate::answer::Answers;
use crate::observed::CountedElsewhere;
#[cfg(feature = "axum-matched-path")]
use crate::policies::ByMatchedPath;
use crate::policies::{By, ByExtension, ByGrpcMethod, Choose, Head, OnePolicy, PolicySet};
use crate::timer::{now, wall};
use crate::{count, local_limit};

/// How much sooner than tonic's own timer a call of gRPC ends under its builder: timers of tokio fire on whole
/// milliseconds, and tonic's is made a little before ours.
pub const TONIC_GUARD: Duration = Duration::from_millis(2);

/// Applies [`Admit`]; see the [module](self).
///
/// `C` is how it finds the policy of a request; see [`policies`](crate::policies).
#[derive(Clone, Debug)]
pub struct AdmitLayer<C = OnePolicy> {
    choice: C,
    dialects: Arc<Dialects>,
    answers: Answers,
    guard: Duration,
    accounts: Accounts,
}

impl AdmitLayer {
    /// Admits under this policy, reading the default dialects.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        AdmitLayer::choosing(OnePolicy::new(policy))
    }

    /// Admits under the policy in the extensions of the request; see
    /// [`DeadlineLayer::by_extension`](crate::DeadlineLayer::by_extension).
    #[must_use]
    pub fn by_extension(default: impl Into<Arc<Policy>>) -> AdmitLayer<ByExtension> {
        AdmitLayer::choosing(ByExtension::new(default.into()))
    }

    /// Admits under the policy of the path that axum's router matched, as it is written in the router; see
    /// [`DeadlineLayer::by_matched_path`](crate::DeadlineLayer::by_matched_path).
    #[cfg(feature = "axum-matched-path")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum-matched-path")))]
    #[must_use]
    pub fn by_matched_path(set: impl Into<Arc<PolicySet>>) -> AdmitLayer<ByMatchedPath> {
        AdmitLayer::choosing(ByMatchedPath::new(set.into()))
    }

    /// Admits under the policy of the gRPC method that is called; see
    /// [`DeadlineLayer::by_grpc_method`](crate::DeadlineLayer::by_grpc_method).
    #[must_use]
    pub fn by_grpc_method(set: impl Into<Arc<PolicySet>>) -> AdmitLayer<ByGrpcMethod> {
        AdmitLayer::choosing(ByGrpcMethod::new(set.into()))
    }

    /// Admits under the policy of the route that this closure yields; see
    /// [`DeadlineLayer::by`](crate::DeadlineLayer::by).
    #[must_use]
    pub fn by<F>(set: impl Into<Arc<PolicySet>>, route: F) -> AdmitLayer<By<F>>
    where
        F: for<'a> Fn(Head<'a>) -> Option<Cow<'a, str>>,
    {
        AdmitLayer::choosing(By::new(set.into(), route))
    }
}

impl<C> AdmitLayer<C> {
    fn choosing(choice: C) -> Self {
        Self {
            choice,
            dialects: Arc::default(),
            answers: Answers::default(),
            guard: Duration::ZERO,
            accounts: Accounts::default(),
        }
    }

    /// Reads these dialects.
    #[must_use]
    pub fn dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = Arc::new(dialects);
        self
    }

    /// Ends calls of gRPC so much sooner than they ask for: for a server that keeps `grpc-timeout` itself, outside of
    /// this layer, and answers `CANCELLED`. Under the builder of tonic's server, [`TONIC_GUARD`] is enough.
    #[must_use]
    pub fn grpc_guard(mut self, guard: Duration) -> Self {
        self.guard = guard;
        self
    }

    /// Answers refused requests in this way.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }
}

impl<S, C: Clone> Layer<S> for AdmitLayer<C> {
    type Service = Admit<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Admit { inner, layer: self.clone() }
    }
}

/// Fixes the deadline of each request, or refuses it; see the [module](self).
#[derive(Clone, Debug)]
pub struct Admit<S, C = OnePolicy> {
    inner: S,
    layer: AdmitLayer<C>,
}

impl<S, C, RB, B> Service<Request<RB>> for Admit<S, C>
where
    C: Choose,
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
        let (policy, now) = (self.layer.choice.choose(&request), now());
        let came = Came { policy: &policy, answers: &self.layer.answers, at: now, head: Head::of(&request) };
        match self.layer.admit(&policy, &request, now) {
            Ok(found) => {
                let account = self.layer.accounts.open(&came, found.deadline);
                let open = account.open();
                open.iter().for_each(|open| open.extra().queued(found.queued));
                found.leave(&policy, request.extensions_mut());
                account.leave(request.extensions_mut());
                AdmitFuture { state: State::Admitted(self.inner.call(request)), open }
            }
            Err(refusal) => {
                let mut answer = self.layer.refuse(&policy, &request, &refusal);
                self.layer.accounts.refused(&came, &refusal, &mut answer);
                AdmitFuture { state: State::Refused(Some(answer.map(B::from))), open: None }
            }
        }
    }
}

/// What was found for a request that is let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The sooner of all that there are.
    pub(crate) deadline: Option<Deadline>,
    /// Whether a valid client field was present (R18).
    pub(crate) client_asked: bool,
    /// Whether only an observing policy let it in.
    pub(crate) would_refuse: bool,
    /// Whether the deadline is one that a layer further out only observes.
    pub(crate) only_observed: bool,
    /// What kind of call it is.
    pub(crate) call: Call,
    /// How long it has waited before it came, as a trusted front says (R8).
    pub(crate) queued: Duration,
}

impl<C> AdmitLayer<C> {
    #[inline]
    pub(crate) fn choice(&self) -> &C {
        &self.choice
    }

    #[inline]
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(crate) fn used_answers(&self) -> &Answers {
        &self.answers
    }

    #[inline(always)]
    pub(crate) fn admit<RB>(&self, policy: &Policy, request: &Request<RB>, now: Instant) -> Result<Found, Refusal> {
        let asked = self.dialects.read(request.headers(), wall(&self.dialects));
        Accounts::asked(&asked);
        let admitted = policy.admit(&asked, now)?;
        self.accounts.admitted(policy, &admitted);
        let would_refuse = admitted.would_refuse();
        if let Some(refusal) = would_refuse {
            count::would_refuse(policy.name(), refusal);
        }
        let (call, client_asked) = (asked.call(), admitted.client_asked());
        let own = self.guarded(admitted.deadline(), call);
        let counted = around(policy, own, request.extensions());
        let deadline = counted.or_else(|| request.extensions().get().copied());
        let only_observed = counted.is_none() && deadline.is_some();
        let queued = asked.queued();
        Ok(Found { deadline, client_asked, would_refuse: would_refuse.is_some(), only_observed, call, queued })
    }

    /// The answer to a request that is not let in.
    #[cold]
    pub(crate) fn refuse<RB>(&self, policy: &Policy, request: &Request<RB>, refusal: &Refusal) -> Response<Bytes> {
        self.answers.refusal(refusal, policy.status_code(), Call::of(request.headers()))
    }

    #[inline]
    fn guarded(&self, deadline: Option<Deadline>, call: Call) -> Option<Deadline> {
        let guarded = !self.guard.is_zero() && call == Call::Grpc;
        if guarded { deadline.map(|deadline| deadline.reserve(self.guard)) } else { deadline }
    }
}

/// The soonest of the deadline by this policy, the one in these extensions, and the ambient one.
#[inline(always)]
fn around(policy: &Policy, admitted: Option<Deadline>, extensions: &Extensions) -> Option<Deadline> {
    // What is only observed further out stops nothing here.
    let observed = |journey: Option<&Journey>| journey.is_some_and(|journey| journey.policy().is_observed());
    let around = Ambient::look(|around| {
        let stops = around.has_deadline() && !observed(around.journey());
        if stops { around.deadline() } else { None }
    });
    let inserted = extensions.get::<Deadline>();
    if inserted.is_none() && around.is_none() {
        return admitted;
    }
    let inserted = inserted.copied();
    let counted = inserted.filter(|_| !observed(extensions.get()));
    let outer = [counted, around].into_iter().flatten().reduce(Deadline::sooner);
    match (admitted, outer) {
        (Some(own), Some(outer)) => {
            // What the client asked for is no limit of ours, however often it is read; and what only observes limits nothing.
            if own.origin().kind() == OriginKind::Policy && !policy.is_observed() {
                local_limit::compare(own, outer);
            }
            Some(own.sooner(outer))
        }
        (own, outer) => own.or(outer),
    }
}

impl Found {
    /// Leaves it in the extensions of the request, for whatever enforces it further in.
    fn leave(self, policy: &Arc<Policy>, extensions: &mut Extensions) {
        if self.would_refuse || self.only_observed {
            extensions.insert(CountedElsewhere);
        }
        if let Some(deadline) = self.deadline {
            extensions.insert(deadline);
        }
        let (policy, client_asked) = (Arc::clone(policy), self.client_asked);
        extensions.insert(match extensions.get::<Journey>() {
            Some(outer) if self.only_observed => outer.part(),
            Some(outer) => outer.part_under(policy, client_asked),
            None => Journey::new(policy, client_asked),
        });
    }
}

/// The response of [`Admit`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub struct AdmitFuture<F, B> {
    #[pin]
    state: State<F, B>,
    /// Where the answer is told of, or tells something itself.
    open: Option<Open>,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
enum State<F, B> {
    /// The request was let in: the inner service's response.
    Admitted(#[pin] F),
    /// It was refused: the answer. `None` once there was one, whoever's.
    Refused(Option<Response<B>>),
}

impl<F, B, E> Future for AdmitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut answer = match this.state.as_mut().project() {
            StateProjection::Admitted(inner) => ready!(inner.poll(cx)),
            StateProjection::Refused(answer) => match answer.take() {
                Some(answer) => return Poll::Ready(Ok(answer)),
                None => return Poll::Pending,
            },
        };
        // The inner future ends with its answer, whoever keeps this one.
        this.state.set(State::Refused(None));
        if let (Some(open), Ok(response)) = (this.open.take(), &mut answer) {
            open.extra().answered(response);
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests;
