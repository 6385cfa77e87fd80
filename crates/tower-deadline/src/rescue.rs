//! Rescue: a request that was stopped is answered for.
//!
//! Covers the two places where [`Exceeded`] can stand: the chain of the inner service's error, and the
//! extensions of a response without a body, as [`enforce`](crate::enforce) and handlers leave it. Either
//! becomes a problem document, or what gRPC, gRPC-Web and Connect have instead, with a `Deadline-Exceeded` field.
//! Does not touch any other error, nor a response that is finished (one with a body, or with that field already),
//! nor anything of a request whose policy only observes.
//!
//! # What another hop has told
//!
//! A hop that was called and stopped in our time says so in the same field, and the [`Exceeded`] beside its answer has what
//! it said ([`Exceeded::trail`]). Passed on as it is, that answer gets one word more: whose policy, or code, the limit was,
//! where that was this hop's (see [`trail`](crate::dialect::trail)); the rest stays. Where a handler answers by that
//! `Exceeded` instead, as an error or bare, who is told of is the hop that stopped first, and its stage.
//!
//! The trailers that end a message of gRPC cannot be completed: they come after the head. They say what their hop knew.
//!
//! # Kinds of errors
//!
//! The inner service keeps its error type, so axum needs no `HandleErrorLayer` (R19). To look into an error,
//! its type has to be known: [`Typed`] is for every error that implements [`Error`], `Infallible` among them;
//! [`Boxed`] is for [`BoxError`], which does not.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use std::{io, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_deadline::{Cause, Deadline, Exceeded, RescueLayer, Stage, now};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .service_fn(|_: Request<()>| async {
//!         let deadline = Deadline::after(now(), Duration::ZERO);
//!         let exceeded = Exceeded::new(deadline, Stage::Pool, Cause::Deadline, now());
//!         Err::<Response<Empty<Bytes>>, _>(io::Error::other(exceeded))
//!     });
//!
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
//! assert_eq!(response.headers()["deadline-exceeded"], "origin=code, stage=pool, cause=deadline");
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_deadline::dialect::Call;
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use http_deadline::{Exceeded, Journey, Policy, Statuses};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{Answers, Undressed};
use crate::{AnswerBody, BoxError, grpc};

/// How to look into the errors of an inner service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look into an error of type `{E}`",
    note = "errors that implement `Error` are looked into by default; for a service whose error is \
            `Box<dyn Error + Send + Sync>`, say so: `DeadlineLayer::new(policy).boxed_errors()`"
)]
pub trait Look<E> {
    /// The first error of the chain.
    fn first(error: &E) -> &(dyn Error + 'static);

    /// What the chain tells of a deadline, or of another stop.
    fn find(error: &E) -> Option<&Exceeded> {
        Exceeded::find(Self::first(error))
    }
}

/// Looks into errors that implement [`Error`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Typed;

/// Looks into a [`BoxError`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Boxed;

impl<E: Error + 'static> Look<E> for Typed {
    fn first(error: &E) -> &(dyn Error + 'static) {
        error
    }
}

impl Look<BoxError> for Boxed {
    fn first(error: &BoxError) -> &(dyn Error + 'static) {
        &**error
    }
}

/// Applies [`Rescue`]; see the [module](self).
#[derive(Clone, Debug)]
pub struct RescueLayer<K = Typed> {
    answers: Answers,
    kind: PhantomData<fn() -> K>,
}

impl RescueLayer {
    /// Answers for requests that were stopped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K> RescueLayer<K> {
    /// Answers in this way.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    /// For an inner service whose error is a [`BoxError`].
    #[must_use]
    pub fn boxed_errors(self) -> RescueLayer<Boxed> {
        RescueLayer { answers: self.answers, kind: PhantomData }
    }
}

impl<K> Default for RescueLayer<K> {
    fn default() -> Self {
        Self { answers: Answers::default(), kind: PhantomData }
    }
}

impl<S, K> Layer<S> for RescueLayer<K> {
    type Service = Rescue<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { inner, answers: self.answers.clone(), kind: PhantomData }
    }
}

/// Answers for requests that were stopped; see the [module](self).
#[derive(Clone, Debug)]
pub struct Rescue<S, K = Typed> {
    inner: S,
    answers: Answers,
    kind: PhantomData<fn() -> K>,
}

impl<S, K, RB, B> Service<Request<RB>> for Rescue<S, K>
where
    S: Service<Request<RB>, Response = Response<B>>,
    K: Look<S::Error>,
    B: Body,
    B::Data: From<Bytes>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = RescueFuture<S::Future, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let policy = request.extensions().get::<Journey>().map(Journey::policy);
        let rescuer = Rescuer::new(Call::of(request.headers()), policy, &self.answers);
        RescueFuture { inner: Some(self.inner.call(request)), rescuer }
    }
}

/// The response of [`Rescue`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub struct RescueFuture<F, K> {
    /// `None` once it has answered.
    #[pin]
    inner: Option<F>,
    rescuer: Rescuer<K>,
}

impl<F, K, B, E> Future for RescueFuture<F, K>
where
    F: Future<Output = Result<Response<B>, E>>,
    K: Look<E>,
    B: Body,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let outcome = ready!(inner.poll(cx));
        // The inner future ends with its answer, whoever keeps this one.
        this.inner.set(None);
        Poll::Ready(match this.rescuer.answer(&outcome) {
            Some(answer) => Ok(in_place_of(outcome, answer)),
            None => outcome.map(|mut response| {
                this.rescuer.complete(&mut response);
                response.map(AnswerBody::Inner)
            }),
        })
    }
}

/// How to answer for one request.
#[derive(Debug)]
pub(crate) struct Rescuer<K> {
    call: Call,
    /// `None` where the policy only observes, and answers nobody.
    statuses: Option<Statuses>,
    answers: Answers,
    kind: PhantomData<fn() -> K>,
}

impl<K> Rescuer<K> {
    /// For a call of this kind, under this policy.
    #[inline]
    pub(crate) fn new(call: Call, policy: Option<&Policy>, answers: &Answers) -> Self {
        let statuses = match policy {
            Some(policy) if policy.is_observed() => None,
            Some(policy) => Some(policy.statuses()),
            None => Some(Statuses::default()),
        };
        Self { call, statuses, answers: answers.clone(), kind: PhantomData }
    }

    /// The answer, where the request was stopped and nobody has said so yet.
    #[inline]
    pub(crate) fn answer<B, E>(&self, outcome: &Result<Response<B>, E>) -> Option<Response<Bytes>>
    where
        K: Look<E>,
        B: Body,
    {
        let found = match outcome {
            Ok(response) => unanswered(response),
            Err(error) => K::find(error),
        };
        let (exceeded, statuses) = found.zip(self.statuses)?;
        Some(self.answers.exceeded(exceeded, statuses.of(exceeded), self.call))
    }
}

impl<K> Rescuer<K> {
    /// Answers in the place of what was stopped, and completes what is passed on.
    #[inline]
    pub(crate) fn rescue<B, E>(&self, outcome: &mut Result<Response<AnswerBody<B>>, E>)
    where
        K: Look<E>,
        AnswerBody<B>: Body,
    {
        // First what is hardly ever there.
        if matches!(outcome, Ok(response) if response.extensions().get::<Exceeded>().is_none()) {
            return;
        }
        if let Some(answer) = self.answer(outcome) {
            match outcome {
                Ok(response) => dress(response, answer),
                Err(_) => *outcome = Ok(answer.map(AnswerBody::from)),
            }
        }
        outcome.iter_mut().for_each(|response| self.complete(response));
    }

    /// Says whose limit it was in what a hop downstream has told, where its answer is passed on.
    #[inline]
    pub(crate) fn complete<B>(&self, response: &mut Response<B>) {
        // First what is hardly ever there.
        let Some(exceeded) = response.extensions().get::<Exceeded>() else { return };
        let Some(told) = exceeded.trail() else { return };
        let completed = Trail::of(exceeded, self.answers.hop_name().map(|name| &**name));
        // Whoever has written a field of its own means it.
        if completed != *told && Trail::read(response.headers()).as_ref() == Some(told) {
            completed.write(response.headers_mut());
        }
    }
}

/// The answer, with whatever stands beside a bare response.
fn in_place_of<B, E, C>(outcome: Result<Response<B>, E>, answer: Response<Bytes>) -> Response<AnswerBody<C>> {
    match outcome {
        Ok(response) => dressed(response, answer),
        Err(_) => answer.map(AnswerBody::from),
    }
}

/// The reason in a response that nobody has made readable yet.
#[inline]
fn unanswered<B: Body>(response: &Response<B>) -> Option<&Exceeded> {
    // First what is hardly ever there.
    let exceeded = response.extensions().get()?;
    let undressed = response.extensions().get::<Undressed>().is_some() && grpc::is_exceeded(response.headers());
    let dressed = response.headers().contains_key(&DEADLINE_EXCEEDED) && !undressed;
    let finished = dressed || !response.body().is_end_stream();
    Some(exceeded).filter(|_| !finished)
}

/// The answer, with the fields and extensions that the bare response had beside it.
fn dressed<B, C>(bare: Response<B>, answer: Response<Bytes>) -> Response<AnswerBody<C>> {
    let mut response = bare.map(|_| AnswerBody::from(Bytes::new()));
    dress(&mut response, answer);
    response
}

/// The same, where the response stands.
fn dress<B>(bare: &mut Response<AnswerBody<B>>, answer: Response<Bytes>) {
    let (answer, bytes) = answer.into_parts();
    *bare.status_mut() = answer.status;
    bare.extensions_mut().remove::<Undressed>();
    bare.headers_mut().remove(http::header::CONTENT_LENGTH);
    bare.headers_mut().extend(answer.headers);
    *bare.body_mut() = AnswerBody::from(bytes);
}

#[cfg(test)]
mod tests;
