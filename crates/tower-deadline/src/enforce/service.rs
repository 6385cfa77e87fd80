//! The layer and its service.

use std::mem;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::custody::Custody;
use super::{EnforceFuture, EnforcedBody};
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
        Enforce { inner, ready: false }
    }
}

/// Enforces the deadline of each request; see the [module](crate::enforce).
#[derive(Debug)]
pub struct Enforce<S> {
    inner: S,
    ready: bool,
}

impl<S: Clone> Clone for Enforce<S> {
    /// A clone has no place in the queue, and is not ready because the original is.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false }
    }
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
        if !self.ready {
            match self.inner.poll_ready(cx) {
                Poll::Ready(Ok(())) => self.ready = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let fresh = self.inner.clone();
        let polled = mem::replace(&mut self.inner, fresh);
        let ready = mem::take(&mut self.ready);
        let custody = Custody::take(&mut request);
        EnforceFuture::new(polled, ready, request, custody)
    }
}
