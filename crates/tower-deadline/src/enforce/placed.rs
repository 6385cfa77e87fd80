//! An inner service that is waited for where it was polled.

use std::mem;
use std::task::{Context, Poll};

use tower_service::Service;

/// A service, and whether it was polled ready.
#[derive(Debug)]
pub(crate) struct Placed<S> {
    pub(super) service: S,
    pub(super) ready: bool,
}

impl<S> Placed<S> {
    pub(crate) fn new(service: S) -> Self {
        Self { service, ready: false }
    }

    /// Ready unless the service failed. One that is not ready keeps its place in the queue: the future goes on
    /// waiting with the very instance that was polled here (R20).
    #[inline]
    pub(crate) fn poll_ready<R>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<R>,
    {
        if !self.ready {
            match self.service.poll_ready(cx) {
                Poll::Ready(Ok(())) => self.ready = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The instance that was polled. A clone of it takes its place here.
    #[inline]
    pub(crate) fn take(&mut self) -> Self
    where
        S: Clone,
    {
        let fresh = self.clone();
        mem::replace(self, fresh)
    }
}

impl<S: Clone> Clone for Placed<S> {
    /// A clone has no place in the queue, and is not ready because the original is.
    #[inline]
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}
