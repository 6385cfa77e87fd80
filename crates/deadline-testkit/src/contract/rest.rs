//! No work after the answer.

use std::error::Error;
use std::task::Poll;

use http::Response;
use http_body::Body;
use tower_service::Service;

use super::{Contract, Subject};
use crate::{InnerService, Step};

impl<W, Q, S, R, B> Contract<W, Q>
where
    W: Fn(InnerService) -> S,
    Q: Fn() -> R,
    S: Service<R, Response = Response<B>, Error: Into<Box<dyn Error + Send + Sync>>> + Clone,
    B: Body,
{
    /// After the answer the inner future is gone, though the outer one is still held, and after the end of the
    /// body the inner body is. Neither is polled again, whoever polls the outer ones, and those do not panic.
    ///
    /// That is more than `Future` asks for: it lets a future panic. A layer has to be better than that where
    /// somebody else's work hangs on it.
    ///
    /// # Panics
    ///
    /// Where the layer breaks the contract.
    #[track_caller]
    pub fn assert_rests(&self) {
        self.assert_future_rests(InnerService::answering([Step::Data("some")]));
        self.assert_future_rests(InnerService::failing());
        self.assert_body_rests(&[Step::Data("some")]);
        self.assert_body_rests(&[Step::Error]);
    }

    #[track_caller]
    fn assert_future_rests(&self, inner: InnerService) {
        let mut subject = self.around(inner);
        let mut calling = self.call(&mut subject);
        assert!(subject.poll(calling.as_mut()).is_ready(), "no answer, though the inner service gave one");
        assert_eq!(subject.record.calls().held(), 0, "the inner future is kept after the answer");
        for _ in 0..2 {
            let again = subject.poll(calling.as_mut());
            assert!(again.is_pending(), "answered twice");
        }
        assert_eq!(subject.record.calls().polled_after_end(), 0, "the inner future was polled after its end");
        subject.assert_called(1);
    }

    #[track_caller]
    pub(super) fn assert_body_rests(&self, steps: &[Step]) {
        let mut subject = self.around(InnerService::answering(steps.to_vec()));
        let mut calling = self.call(&mut subject);
        let Some(response) = subject.answer(calling.as_mut()) else { return };
        let mut body = Box::pin(response.into_body());
        subject.read(|subject| subject.poll_body(body.as_mut()));
        let probe = subject.record.body().unwrap_or_default();
        assert!(probe.is_dropped(), "the inner body is kept after its end");
        for _ in 0..2 {
            let again = subject.poll_body(body.as_mut());
            assert_eq!(again, Poll::Ready(None), "a frame or an error after the end");
        }
        assert_eq!(probe.polled_after_end(), 0, "the inner body was polled after its end");
    }
}

impl<S> Subject<S> {
    /// Polls to the end or the first error. A body that does not wait ends after a few frames.
    #[track_caller]
    fn read(&self, mut poll: impl FnMut(&Self) -> Poll<Option<bool>>) {
        let frames = (0..8).map(|_| poll(self)).find(|frame| matches!(frame, Poll::Ready(None | Some(false))));
        assert!(frames.is_some(), "no end of a body that has one frame");
    }
}
