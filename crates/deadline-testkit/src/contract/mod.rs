//! Tower's contract, as checks that any HTTP layer can be held to.
//!
//! Covers readiness, dropping, and rest: nothing is worked on after the answer. Each check puts the layer around
//! an [`InnerService`] that remembers what was done to it, polls by hand, and fails with a sentence that says
//! which part of the contract was broken. Does not cover the clock (what happens at a deadline is the layer's own
//! business), nor what the frames of a body are: [`assert_body_passes`](crate::assert_body_passes) does that.
//!
//! A layer that arms a timer needs a runtime around the check; the check itself knows none.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use http::Response;
use http_body::Body;
use tower_service::Service;

use crate::{InnerService, Record, ScriptedError};

mod cancel;
mod readiness;
mod rest;

/// What a layer does about an inner service that is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It is not ready either.
    #[default]
    Passed,
    /// It is ready, and waits for the inner service in its response future (R20).
    Finished,
}

/// A layer under test: what makes a service of an inner one, and what makes a request for it.
///
/// ```
/// use deadline_testkit::Contract;
/// use http::Request;
///
/// // The layer that does nothing keeps to the contract, but for rest: whoever made its future may poll that on.
/// let contract = Contract::of(|inner| inner, || Request::new(()));
/// contract.assert_readiness();
/// contract.assert_cancels();
/// ```
///
/// One that waits for readiness in its future says so:
///
/// ```should_panic
/// use deadline_testkit::{Contract, Readiness};
/// use http::Request;
///
/// // It does not.
/// Contract::of(|inner| inner, || Request::new(())).readiness(Readiness::Finished).assert_readiness();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Contract<W, Q> {
    wrap: W,
    request: Q,
    readiness: Readiness,
}

impl<W, Q> Contract<W, Q> {
    /// Holds to the contract whatever `wrap` makes of an inner service, called with what `request` makes.
    pub fn of(wrap: W, request: Q) -> Self {
        Self { wrap, request, readiness: Readiness::default() }
    }

    /// What is expected where the inner service is not ready. It is passed by default.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }
}

impl<W, Q, S, R, B> Contract<W, Q>
where
    W: Fn(InnerService) -> S,
    Q: Fn() -> R,
    S: Service<R, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>> + Clone,
    B: Body,
{
    /// All of it: [readiness](Self::assert_readiness), [dropping](Self::assert_cancels),
    /// [rest](Self::assert_rests).
    ///
    /// # Panics
    ///
    /// Where the layer breaks the contract.
    #[track_caller]
    pub fn assert_all(&self) {
        self.assert_readiness();
        self.assert_cancels();
        self.assert_rests();
    }

    /// The service around this one, and what will be done to that one.
    fn around(&self, inner: InnerService) -> Subject<S> {
        let record = inner.record();
        Subject { service: (self.wrap)(inner), record, waker: Arc::default() }
    }
}

/// One service under test, polled by hand.
struct Subject<S> {
    service: S,
    record: Record,
    waker: Arc<Woken>,
}

#[derive(Debug, Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S> Subject<S> {
    fn poll_ready<R>(&mut self) -> Poll<Result<(), S::Error>>
    where
        S: Service<R>,
    {
        let waker = Waker::from(Arc::clone(&self.waker));
        self.service.poll_ready(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn assert_ready<R>(&mut self)
    where
        S: Service<R>,
    {
        assert!(matches!(self.poll_ready(), Poll::Ready(Ok(()))), "not ready, though nothing is in the way");
    }

    /// The inner service was called so often, and never against the contract.
    #[track_caller]
    fn assert_called(&self, times: usize) {
        assert_eq!(self.record.breaches(), [""; 0], "the inner service was called against the contract");
        assert_eq!(self.record.calls().called(), times, "how often the inner service was called");
    }

    /// How often it woke its task.
    fn woken(&self) -> usize {
        self.waker.0.load(Ordering::Relaxed)
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.waker));
        future.poll(&mut Context::from_waker(&waker))
    }

    /// Polls a body once; whether a frame, an error or the end is there.
    fn poll_body<B: Body>(&self, body: Pin<&mut B>) -> Poll<Option<bool>> {
        let waker = Waker::from(Arc::clone(&self.waker));
        body.poll_frame(&mut Context::from_waker(&waker)).map(|frame| frame.map(|frame| frame.is_ok()))
    }

    /// The response that has to be there now.
    #[track_caller]
    fn answer<F, B, E>(&self, future: Pin<&mut F>) -> Option<Response<B>>
    where
        F: Future<Output = Result<Response<B>, E>>,
    {
        let answer = match self.poll(future) {
            Poll::Ready(Ok(response)) => Some(response),
            _ => None,
        };
        assert!(answer.is_some(), "no answer, though the inner service gave one");
        answer
    }
}

/// Whether what was polled failed, and with the inner service's error: as itself, or behind another one.
fn failed<T, E: Into<Box<dyn Error + Send + Sync>>>(polled: Poll<Result<T, E>>) -> Option<bool> {
    let Poll::Ready(Err(error)) = polled else {
        return None;
    };
    let error: Box<dyn Error + Send + Sync> = error.into();
    let first: &(dyn Error + 'static) = &*error;
    Some(std::iter::successors(Some(first), |error| (*error).source()).any(|error| error.is::<ScriptedError>()))
}

#[cfg(test)]
mod tests;
