//! Dropping is cancelling.

use std::error::Error;
use std::pin::Pin;

use http::Response;
use http_body::Body;
use tower_service::Service;

use super::{Contract, Readiness, Subject};
use crate::{Gate, InnerService, Step};

impl<W, Q, S, R, B> Contract<W, Q>
where
    W: Fn(InnerService) -> S,
    Q: Fn() -> R,
    S: Service<R, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>> + Clone,
    B: Body,
{
    /// Whatever is dropped, and whenever, the inner future or body is dropped with it, at once (R15).
    ///
    /// # Panics
    ///
    /// Where the layer breaks the contract.
    #[track_caller]
    pub fn assert_cancels(&self) {
        self.assert_future_cancels(0);
        self.assert_future_cancels(1);
        self.assert_future_cancels(2);
        self.assert_queue_cancels();
        for polls in 0..4 {
            self.assert_body_cancels(polls);
        }
    }

    /// Dropped after so many polls of the future.
    #[track_caller]
    fn assert_future_cancels(&self, polls: usize) {
        let mut subject = self.around(InnerService::silent());
        let mut calling = self.call(&mut subject);
        for _ in 0..polls {
            assert!(subject.poll(calling.as_mut()).is_pending(), "answered, though the inner service did not");
        }
        if polls > 0 {
            assert_eq!(subject.record.calls().in_flight(), 1, "the inner service was not called");
        }
        drop(calling);
        let left = subject.record.calls().held();
        assert_eq!(left, 0, "the future was dropped after {polls} polls, and the inner one was not");
    }

    /// Dropped while it waits for the inner service to be ready.
    #[track_caller]
    fn assert_queue_cancels(&self) {
        if self.readiness != Readiness::Finished {
            return;
        }
        let mut subject = self.around(InnerService::silent().behind(&Gate::closed()));
        let before = subject.record.instances();
        let mut calling = self.call(&mut subject);
        assert!(subject.poll(calling.as_mut()).is_pending(), "answered before the inner service was ready");
        drop(calling);
        assert_eq!(subject.record.instances(), before, "the future was dropped, and its place in the queue was not");
        subject.assert_called(0);
    }

    /// Dropped after so many polls of the body: unread, after a frame, after a `Pending`.
    #[track_caller]
    fn assert_body_cancels(&self, polls: usize) {
        let mut subject = self.around(InnerService::answering([Step::Data("some"), Step::Stall]));
        let mut calling = self.call(&mut subject);
        let body = subject.answer(calling.as_mut()).map(|response| Box::pin(response.into_body()));
        drop(calling);
        let probe = subject.record.body().unwrap_or_default();
        assert!(!probe.is_dropped(), "the inner body was dropped with the future, before it was read");
        let mut body = body;
        for _ in 0..polls {
            let _ = body.as_mut().map(|body| subject.poll_body(body.as_mut()));
        }
        drop(body);
        assert!(probe.is_dropped(), "the body was dropped after {polls} polls, and the inner one was not");
    }

    /// A call of the service once it is ready.
    #[track_caller]
    pub(super) fn call(&self, subject: &mut Subject<S>) -> Pin<Box<S::Future>> {
        subject.assert_ready();
        Box::pin(subject.service.call((self.request)()))
    }
}
