//! Who is called was ready, once a call, and as the very instance that was polled.

use std::error::Error;
use std::task::Poll;

use http::Response;
use http_body::Body;
use tower_service::Service;

use super::{Contract, Readiness, failed};
use crate::{Gate, InnerService};

impl<W, Q, S, R, B> Contract<W, Q>
where
    W: Fn(InnerService) -> S,
    Q: Fn() -> R,
    S: Service<R, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>> + Clone,
    B: Body,
{
    /// The inner service is called when it is ready and not before, once for each readiness, as the instance
    /// that was polled; a clone of the service has to become ready by itself; and an error of readiness passes.
    ///
    /// # Panics
    ///
    /// Where the layer breaks the contract.
    #[track_caller]
    pub fn assert_readiness(&self) {
        self.assert_waits();
        self.assert_each_call_is_readied();
        self.assert_clones_are_readied();
        self.assert_readiness_fails();
    }

    #[track_caller]
    fn assert_waits(&self) {
        let gate = Gate::closed();
        let mut subject = self.around(InnerService::answering([]).behind(&gate));
        let ready = subject.poll_ready();
        if self.readiness == Readiness::Passed {
            assert!(ready.is_pending(), "ready, though the inner service is not");
            gate.open();
            assert!(subject.woken() > 0, "not woken when the inner service became ready");
            assert!(matches!(subject.poll_ready(), Poll::Ready(Ok(()))), "not ready, though the inner service is");
        } else {
            assert!(matches!(ready, Poll::Ready(Ok(()))), "not ready, though it waits in its future");
        }
        let mut calling = Box::pin(subject.service.call((self.request)()));
        if self.readiness == Readiness::Finished {
            assert!(subject.poll(calling.as_mut()).is_pending(), "answered before the inner service was ready");
            assert_eq!(subject.record.calls().called(), 0, "called before the inner service was ready");
            gate.open();
            assert!(subject.woken() > 0, "the future was not woken when the inner service became ready");
        }
        subject.answer(calling.as_mut());
        subject.assert_called(1);
    }

    #[track_caller]
    fn assert_each_call_is_readied(&self) {
        let mut subject = self.around(InnerService::answering([]));
        for calls in 1..=3 {
            subject.assert_ready();
            // Asked twice, it is ready once.
            subject.assert_ready();
            let mut calling = Box::pin(subject.service.call((self.request)()));
            subject.answer(calling.as_mut());
            subject.assert_called(calls);
        }
    }

    #[track_caller]
    fn assert_clones_are_readied(&self) {
        let mut subject = self.around(InnerService::answering([]));
        subject.assert_ready();
        let clone = subject.service.clone();
        let original = std::mem::replace(&mut subject.service, clone);
        subject.assert_ready();
        let mut by_clone = Box::pin(subject.service.call((self.request)()));
        subject.service = original;
        let mut by_original = Box::pin(subject.service.call((self.request)()));
        for calling in [&mut by_clone, &mut by_original] {
            subject.answer(calling.as_mut());
        }
        subject.assert_called(2);
    }

    #[track_caller]
    fn assert_readiness_fails(&self) {
        let gate = Gate::closed();
        let mut subject = self.around(InnerService::answering([]).behind(&gate));
        if self.readiness == Readiness::Finished {
            subject.assert_ready();
            let mut calling = Box::pin(subject.service.call((self.request)()));
            assert!(subject.poll(calling.as_mut()).is_pending(), "answered before the inner service was ready");
            gate.break_down();
            let failed = failed(subject.poll(calling.as_mut()));
            assert_eq!(failed, Some(true), "the future has to fail with the inner service's error of readiness");
        }
        gate.break_down();
        let failed = failed(subject.poll_ready());
        assert_eq!(failed, Some(true), "readiness has to fail with the inner service's error");
        subject.assert_called(0);
    }
}
