//! How slow a request body may come.
//!
//! Covers bodies that trickle: each holds a connection here and one to the upstream, and costs its sender nothing.
//! Time counts only while somebody waits for the body and nothing is there, never while the upstream or we are the
//! slow ones. Whoever is too slow gets a 408 and a closed connection, or an abort where the head of the answer is out.
//!
//! A body has a patience of `grace`, which waiting uses up, and which each byte that comes renews by the time that it
//! may take at the floor: whoever keeps to the floor never runs out of it, and nobody saves up more than `grace`.
//! Apache counts alike, but lets a gigabyte that came fast pay for hours of silence.
//!
//! Does not cover calls of gRPC and streams of Connect, which are silent as long as nobody has something to say: they
//! have their deadlines.

mod body;
mod patience;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use self::body::Verdict;
pub use self::body::{RateBody, TooSlow};
use super::Rate;
use super::answered::Answered;

/// Layer of [`BodyRate`]. See the module.
#[derive(Clone, Debug)]
pub struct BodyRateLayer {
    rate: Option<Rate>,
    answers: Answers,
}

impl BodyRateLayer {
    /// Ends bodies slower than `rate`; `None`: none.
    #[must_use]
    pub fn new(rate: Option<Rate>, answers: Answers) -> Self {
        Self { rate, answers }
    }
}

impl<S> Layer<S> for BodyRateLayer {
    type Service = BodyRate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyRate { inner, layer: self.clone() }
    }
}

/// Ends request bodies that trickle. See the module.
#[derive(Clone, Debug)]
pub struct BodyRate<S> {
    inner: S,
    layer: BodyRateLayer,
}

impl<S, RB, B> Service<Request<RB>> for BodyRate<S>
where
    S: Service<Request<RateBody<RB>>, Response = Response<B>>,
    RB: Body,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = BodyRateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let call = Call::of(request.headers());
        let is_silent = request.body().is_end_stream() || !matches!(call, Call::Http | Call::Connect);
        let watched = self.layer.rate.filter(|_| !is_silent).map(|rate| (rate, Arc::<Verdict>::default()));
        let (version, answers) = (request.version(), self.layer.answers.clone());
        let verdict = watched.as_ref().map(|(_, verdict)| Arc::clone(verdict));
        let request = request.map(|body| RateBody::new(body, watched));
        BodyRateFuture { inner: Answered::Inner(self.inner.call(request)), verdict, version, call, answers }
    }
}

/// Future of [`BodyRate`]: drops the inner one when the body is too slow.
#[pin_project]
#[derive(Debug)]
pub struct BodyRateFuture<F> {
    #[pin]
    inner: Answered<F>,
    verdict: Option<Arc<Verdict>>,
    version: Version,
    call: Call,
    answers: Answers,
}

impl<F, B, E> Future for BodyRateFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = this.inner.as_mut().poll(cx);
        // What is said of a body that we have broken off is not the client's answer.
        if !this.verdict.as_ref().is_some_and(|verdict| verdict.is_too_slow(cx)) {
            return outcome;
        }
        *this.verdict = None;
        let detail = "the request body comes too slowly";
        let mut answer = this.answers.failure(StatusCode::REQUEST_TIMEOUT, detail, *this.call);
        // RFC 9110 §15.5.9. HTTP/2 has no such field, and resets the stream.
        if *this.version < Version::HTTP_2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        this.inner.set(Answered::with(answer));
        this.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests;
