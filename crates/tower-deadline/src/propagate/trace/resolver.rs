//! A resolver that tells which names it is asked for.

use std::error::Error;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;
use tower_service::Service;

use super::telling::{Telling, calling};
use crate::BoxError;

/// A resolver, such as hyper-util's `GaiResolver`, that tells the call for which it looks a name up; see the
/// [module](super). Its place is within a connector that is a [`TracedConnector`](super::TracedConnector), where there
/// is an example.
#[derive(Clone, Debug)]
pub struct TracedResolver<R> {
    inner: R,
}

impl<R> TracedResolver<R> {
    /// Tells what this one does.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self { inner }
    }
}

impl<R, N> Service<N> for TracedResolver<R>
where
    R: Service<N, Error: Into<BoxError>>,
    N: Display,
{
    type Response = R::Response;
    type Error = BoxError;
    type Future = Resolving<R::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: N) -> Self::Future {
        let telling = calling(|call| call.and_then(|call| call.telling.clone()));
        if let Some(telling) = &telling {
            telling.resolve(&name.to_string());
        }
        Resolving { inner: self.inner.call(name), telling }
    }
}

/// The future of [`TracedResolver`].
#[pin_project]
#[derive(Debug)]
pub struct Resolving<F> {
    #[pin]
    inner: F,
    /// `None` where nobody is told, and once it has ended.
    telling: Option<Telling>,
}

impl<F, T, E> Future for Resolving<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Polled by a task of the pool's: the call went on without this connection.
        if calling(|call| call.is_none()) {
            *this.telling = None;
        }
        let polled = this.inner.poll(cx).map_err(Into::into);
        if let (Poll::Ready(found), Some(telling)) = (&polled, this.telling.as_ref()) {
            telling.resolved(found.as_ref().err().map(|error| &**error as &(dyn Error + 'static)));
            *this.telling = None;
        }
        polled
    }
}
