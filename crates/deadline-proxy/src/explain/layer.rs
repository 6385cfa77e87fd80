//! The layer around everything that is told of one request.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project::pin_project;
use tower::{Layer, Service};
use tracing::Span;

use super::came::Came;
use super::{TARGET, answer, is_heard};

/// A request has this until its id is known, and where ids are left alone.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Applies [`Explain`]; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExplainLayer;

impl<S> Layer<S> for ExplainLayer {
    type Service = Explain<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Explain { inner }
    }
}

/// Gives the lines of one request a span, and tells how it was answered; see the [module](super).
#[derive(Clone, Debug)]
pub(crate) struct Explain<S> {
    inner: S,
}

impl<S, RB, B> Service<Request<RB>> for Explain<S>
where
    S: Service<Request<RB>, Response = Response<B>, Error: Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ExplainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        if !is_heard() {
            return ExplainFuture { inner: self.inner.call(request), open: None };
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!(target: TARGET, "request", id = format!("#{number}"));
        let came = Came::with(request.headers());
        request.extensions_mut().insert(came);
        let inner = span.in_scope(|| self.inner.call(request));
        ExplainFuture { inner, open: Some(Box::new(Open { span, is_answered: false })) }
    }
}

/// The response of [`Explain`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub(crate) struct ExplainFuture<F> {
    #[pin]
    inner: F,
    /// Boxed: hardly ever there.
    open: Option<Box<Open>>,
}

/// A request that is told of.
#[derive(Debug)]
struct Open {
    span: Span,
    is_answered: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_answered {
            self.span.in_scope(answer::left);
        }
    }
}

impl<F, B, E> Future for ExplainFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Error,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(open) = this.open else { return this.inner.poll(cx) };
        let _entered = open.span.clone().entered();
        let outcome = ready!(this.inner.poll(cx));
        match &outcome {
            Ok(response) => answer::answered(response),
            Err(error) => answer::failed(error),
        }
        open.is_answered = true;
        Poll::Ready(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::lines::listen;
    use crate::explain::tell;
    use http::StatusCode;
    use std::future::pending;
    use std::io;
    use std::time::Duration;
    use tower::{ServiceExt, service_fn};
    use tower_deadline::Answers;
    use tower_deadline::dialect::Call;

    async fn inner(request: Request<()>) -> Result<Response<bytes::Bytes>, io::Error> {
        if request.uri().path() != "/early" {
            Span::current().record("id", tracing::field::display("7"));
        }
        tokio::task::yield_now().await;
        tell!("route: {}", request.uri());
        match request.uri().path() {
            "/ours" => Ok(Answers::new().failure(StatusCode::NOT_FOUND, "no such order", Call::Http)),
            "/fails" => Err(io::Error::other("broke off")),
            "/never" => pending().await,
            _ => Ok(Response::default()),
        }
    }

    fn told(path: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let request = Request::get(path).body(()).unwrap();
        listen(|| {
            let answered = ExplainLayer.layer(service_fn(inner)).oneshot(request);
            let limited = async { tokio::time::timeout(Duration::from_secs(1), answered).await };
            drop(runtime.block_on(limited));
        })
    }

    #[test]
    fn how_a_request_ends_is_told_with_its_id() {
        assert_eq!(told("/"), ["[7] route: /", "[7] answer: 200"]);
        let early = told("/early");
        let number = early[0].strip_prefix("[#").and_then(|line| line.strip_suffix("] route: /early")).unwrap();
        assert_eq!(early[1], format!("[#{number}] answer: 200"));
        assert_eq!(told("/ours"), ["[7] route: /ours", "[7] answer: 404: no such order"]);
        assert_eq!(told("/fails"), ["[7] route: /fails", "[7] answer: none: broke off"]);
        assert_eq!(told("/never"), ["[7] route: /never", "[7] answer: none: the client left"]);
    }
}
