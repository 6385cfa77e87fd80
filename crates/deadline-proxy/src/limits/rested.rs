//! A future that is let go as soon as it has answered, though who asked still holds it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

/// Once ready, pending for ever, and nothing of the inner future is left.
#[pin_project]
#[derive(Debug)]
pub(super) struct Rested<F>(#[pin] Option<F>);

impl<F> Rested<F> {
    pub(super) fn new(inner: F) -> Self {
        Self(Some(inner))
    }
}

impl<F: Future> Future for Rested<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.0.as_mut().as_pin_mut() else { return Poll::Pending };
        let output = ready!(inner.poll(cx));
        this.0.set(None);
        Poll::Ready(output)
    }
}
