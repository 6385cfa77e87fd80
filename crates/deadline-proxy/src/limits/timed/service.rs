//! The layer that tells a stream about its requests.

use std::task::{Context, Poll};

use http::{Method, Request, Response, Version};
use tower::{Layer, Service};

use super::Timed;
use super::exchange::{TimedBody, TimedFuture};

impl<S> Layer<S> for Timed {
    type Service = TimedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedService { inner, timed: self.clone() }
    }
}

impl Timed {
    /// Calls, and tells the stream of it until the answer has ended.
    // Not a call of its own: the request and the future would be moved for it.
    #[inline(always)]
    pub(crate) fn call<RB, F, B, E>(
        &self,
        request: Request<RB>,
        call: impl FnOnce(Request<RB>) -> F,
    ) -> TimedFuture<F, B>
    where
        F: Future<Output = Result<Response<B>, E>>,
    {
        let is_whole = request.version() < Version::HTTP_2;
        let is_connect = *request.method() == Method::CONNECT;
        // Before anything else is read: what has come is a head no more.
        let under = self.0.enter();
        TimedFuture::new(call(request), under, is_whole, is_connect)
    }
}

/// Serves one connection, and tells its stream which of its time belongs to a request. See the module.
#[derive(Clone, Debug)]
pub struct TimedService<S> {
    inner: S,
    timed: Timed,
}

impl<S, RB, B> Service<Request<RB>> for TimedService<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<TimedBody<S::Future, B>>;
    type Error = S::Error;
    type Future = TimedFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let Self { inner, timed } = self;
        timed.call(request, |request| inner.call(request))
    }
}
