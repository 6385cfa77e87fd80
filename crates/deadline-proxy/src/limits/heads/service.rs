//! The layer that tells a stream about its requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, StatusCode};
use pin_project::pin_project;
use tower::{Layer, Service};

use super::Heads;
use super::activity::Activity;
pub use super::activity::Under;
use crate::limits::Held;
use crate::limits::rested::Rested;

impl<S> Layer<S> for Heads {
    type Service = HeadsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HeadsService { inner, activity: Arc::clone(&self.0) }
    }
}

/// Serves one connection, and tells its stream which of its time belongs to a request. See the module.
#[derive(Clone, Debug)]
pub struct HeadsService<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S, RB, B> Service<Request<RB>> for HeadsService<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<Held<B, Under>>;
    type Error = S::Error;
    type Future = HeadsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let (under, is_connect) = (self.activity.enter(), *request.method() == Method::CONNECT);
        HeadsFuture { inner: Rested::new(self.inner.call(request)), under: Some(under), is_connect }
    }
}

/// Future of [`HeadsService`].
#[pin_project]
#[derive(Debug)]
pub struct HeadsFuture<F> {
    #[pin]
    inner: Rested<F>,
    under: Option<Under>,
    is_connect: bool,
}

impl<F, B, E> Future for HeadsFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Held<B, Under>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let under = this.under.take();
        let status = response.status();
        // R17: a tunnel is bounded by limits of its own.
        if status == StatusCode::SWITCHING_PROTOCOLS || *this.is_connect && status.is_success() {
            under.iter().for_each(Under::release);
        }
        Poll::Ready(Ok(response.map(|body| Held::new(body, under))))
    }
}
