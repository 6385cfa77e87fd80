//! The layer that tells a stream about its requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, StatusCode};
use pin_project::pin_project;
use tower::{Layer, Service};

use super::Timed;
use super::activity::{Activity, Under};
use crate::limits::Held;
use crate::limits::rested::Rested;

impl<S> Layer<S> for Timed {
    type Service = TimedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedService { inner, activity: Arc::clone(&self.0) }
    }
}

/// Serves one connection, and tells its stream which of its time belongs to a request. See the module.
#[derive(Clone, Debug)]
pub struct TimedService<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S, RB, B> Service<Request<RB>> for TimedService<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<Held<B, Under>>;
    type Error = S::Error;
    type Future = TimedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let is_whole = request.version() < http::Version::HTTP_2;
        let (under, is_connect) = (self.activity.enter(), *request.method() == Method::CONNECT);
        let inner = Rested::new(self.inner.call(request));
        TimedFuture { inner, under: Some(under), is_whole, is_connect }
    }
}

/// Future of [`TimedService`].
#[pin_project]
#[derive(Debug)]
pub struct TimedFuture<F> {
    #[pin]
    inner: Rested<F>,
    under: Option<Under>,
    /// Whether the request has its connection to itself.
    is_whole: bool,
    is_connect: bool,
}

impl<F, B, E> Future for TimedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Held<B, Under>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let under = this.under.take();
        let status = response.status();
        let is_tunnel = status == StatusCode::SWITCHING_PROTOCOLS || *this.is_connect && status.is_success();
        // R17: a tunnel is bounded by limits of its own; the other streams beside it are not.
        if is_tunnel && *this.is_whole {
            under.iter().for_each(Under::becomes_tunnel);
        }
        under.iter().for_each(Under::answers);
        Poll::Ready(Ok(response.map(|body| Held::new(body, under))))
    }
}
