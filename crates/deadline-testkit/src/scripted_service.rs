//! A service whose readiness a test decides.

use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::{Gate, Probe, Probed, ScriptedError};

/// A service that is ready when its [`Gate`] is open, and that answers by a function.
///
/// It is as strict as a service may be: each call needs a readiness of its own, a clone has none, and the
/// instance that was polled is the one that has to be called. A call without readiness panics.
///
/// ```
/// use deadline_testkit::{Gate, Probe, ScriptedError, ScriptedService};
/// use std::future::{Ready, ready};
/// use std::task::{Context, Waker};
/// use tower_service::Service;
///
/// fn echo(word: &'static str) -> Ready<Result<&'static str, ScriptedError>> {
///     ready(Ok(word))
/// }
///
/// let (gate, probe) = (Gate::closed(), Probe::default());
/// let mut service = ScriptedService::new(gate.clone(), probe.clone(), echo);
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(service.poll_ready(&mut cx).is_pending());
/// gate.open();
/// assert!(service.poll_ready(&mut cx).is_ready());
/// let answer = service.call("hello");
/// assert_eq!(probe.in_flight(), 1);
/// # drop(answer);
/// ```
#[derive(Debug)]
pub struct ScriptedService<H> {
    gate: Gate,
    probe: Probe,
    handler: H,
    ready: bool,
}

impl<H> ScriptedService<H> {
    /// A service behind this gate, watched by this probe.
    pub fn new(gate: Gate, probe: Probe, handler: H) -> Self {
        Self { gate, probe, handler, ready: false }
    }
}

impl<H: Clone> Clone for ScriptedService<H> {
    /// Not ready, whatever the original is.
    fn clone(&self) -> Self {
        Self::new(self.gate.clone(), self.probe.clone(), self.handler.clone())
    }
}

impl<H, R, F, T> Service<R> for ScriptedService<H>
where
    H: FnMut(R) -> F,
    F: Future<Output = Result<T, ScriptedError>>,
{
    type Response = T;
    type Error = ScriptedError;
    type Future = Probed<F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.ready {
            ready!(self.gate.poll(cx))?;
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.probe.watch((self.handler)(request))
    }
}
