//! The layer and its service.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{Custody, EnforceFuture, EnforcedBody, Placed};
use crate::WatchedBody;

/// Applies [`Enforce`]; see the [module](crate::enforce).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EnforceLayer;

impl EnforceLayer {
    /// Enforces the deadline of each request that has one.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for EnforceLayer {
    type Service = Enforce<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Enforce { inner: Placed::new(inner) }
    }
}

/// Enforces the deadline of each request; see the [module](crate::enforce).
#[derive(Clone, Debug)]
pub struct Enforce<S> {
    inner: Placed<S>,
}

impl<S, RB, B> Service<Request<RB>> for Enforce<S>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<EnforcedBody<B>>;
    type Error = S::Error;
    type Future = EnforceFuture<S, RB>;

    /// Ready unless the inner service failed. One that is not ready keeps its place in the queue: the future
    /// goes on waiting with the very instance that was polled here (R20).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let custody = Custody::take(&mut request);
        let late = custody.expired().is_some();
        EnforceFuture::new(self.inner.take(), request, custody, late)
    }
}
