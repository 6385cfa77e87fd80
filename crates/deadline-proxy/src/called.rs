//! Calling a service that is ready at once, as all of ours are.
//!
//! Covers the call without a wait before it: a request that waits in a future for readiness is moved into it, and out of it
//! again. A service that is not ready is waited for all the same, in the place that it has in whatever queue.

use std::mem::replace;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project::pin_project;
use tower::Service;
use tower::util::{Oneshot, ServiceExt};

/// Calls it now if it is ready, and otherwise once it is. What is left there is a clone that has no place in a queue.
#[inline(always)]
pub(crate) fn call<S, R>(service: &mut S, request: R) -> Called<S, R>
where
    S: Service<R> + Clone,
{
    // Nobody is woken by this look: who is not ready is asked again by somebody who waits.
    match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Called::Now(service.call(request)),
        // Also where it has failed: it says so again.
        Poll::Ready(Err(_)) | Poll::Pending => {
            let fresh = service.clone();
            Called::Waits(Box::pin(replace(service, fresh).oneshot(request)))
        }
    }
}

/// Future of [`call`].
#[pin_project(project = Projection)]
pub(crate) enum Called<S: Service<R>, R> {
    Now(#[pin] S::Future),
    /// Boxed: it is the rare one.
    Waits(Pin<Box<Oneshot<S, R>>>),
}

impl<S: Service<R>, R> Future for Called<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projection::Now(called) => called.poll(cx),
            Projection::Waits(waits) => waits.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{Gate, Probe, ScriptedError, ScriptedService};
    use futures_util::FutureExt;
    use std::future::ready;

    /// The service of this test panics where it is called without readiness of its own.
    #[tokio::test]
    async fn who_is_not_ready_is_waited_for() {
        let gate = Gate::default();
        let mut service = ScriptedService::new(gate.clone(), Probe::default(), |number: u8| ready(Ok(number)));
        assert_eq!(Box::pin(call(&mut service, 1)).now_or_never(), Some(Ok(1)));
        gate.close();
        let (mut first, mut second) = (Box::pin(call(&mut service, 2)), Box::pin(call(&mut service, 3)));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        gate.open();
        assert_eq!((second.await, first.await), (Ok(3), Ok(2)));
        gate.break_down();
        assert_eq!(Box::pin(call(&mut service, 4)).await, Err(ScriptedError));
    }
}
