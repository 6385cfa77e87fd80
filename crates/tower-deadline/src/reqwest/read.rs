//! Waiting for the peer: for the head, and for each part of the body.
//!
//! Covers the limit of one wait. Its time runs while something is waited for: not while a connection is made,
//! which has a limit of its own, and not while the caller does something else than reading. It does run while a
//! request body is sent, and while a call waits for a connection that another call makes: hyper-util makes one for
//! all of them where HTTP/2 is spoken from the start, and does not tell the others.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use http_deadline::{Exceeded, Stage};
use pin_project::pin_project;

use super::connect::connects;
use super::limits::{LimitReached, Running};
use crate::BoxError;

/// What `attempt` yields, unless the limit is reached first.
pub(super) async fn until_head<F: Future>(attempt: F, limit: Option<LimitReached>) -> Result<F::Output, Exceeded> {
    let mut attempt = pin!(attempt);
    let mut running = None;
    poll_fn(|cx| {
        let (polled, connects) = connects(|| attempt.as_mut().poll(cx));
        // R11: value before timer.
        if let Poll::Ready(outcome) = polled {
            return Poll::Ready(Ok(outcome));
        }
        let Some(limit) = limit.filter(|_| !connects) else {
            running = None;
            return Poll::Pending;
        };
        let running = running.get_or_insert_with(|| Running::start(limit));
        running.poll_reached(Stage::Upstream, cx).map(Err)
    })
    .await
}

/// A response body each part of which has to come in time. Whoever polls it stops at an error.
#[pin_project]
#[derive(Debug)]
pub(super) struct ReadBody<B> {
    #[pin]
    inner: B,
    limit: Option<LimitReached>,
    running: Option<Running>,
}

impl<B> ReadBody<B> {
    pub(super) fn new(inner: B, limit: Option<LimitReached>) -> Self {
        Self { inner, limit, running: None }
    }
}

impl<B> Body for ReadBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.running = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(limit) = *this.limit else { return Poll::Pending };
        let running = this.running.get_or_insert_with(|| Running::start(limit));
        running.poll_reached(Stage::Upstream, cx).map(|exceeded| Some(Err(exceeded.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MS, data, error, is_at_end, poll, poll_frame};
    use crate::timer::tests::armed;
    use deadline_testkit::{ScriptedBody, Step};
    use std::future::pending;
    use std::io;
    use tokio::sync::oneshot;
    use tokio::time::{advance, sleep};
    use tower::{Layer, Service, service_fn};

    use super::super::connect::ConnectLayer;
    use super::super::limits::Limit;

    fn limit() -> Option<LimitReached> {
        Some(LimitReached::new(Limit::Read, 100 * MS))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_waited_for_to_the_limit_and_not_less() {
        let mut waiting = pin!(until_head(pending::<()>(), limit()));
        assert!(poll(waiting.as_mut()).is_pending());
        advance(99 * MS).await;
        assert!(poll(waiting.as_mut()).is_pending());
        advance(MS).await;
        assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Err(exceeded)) if exceeded.stage() == Stage::Upstream));
    }

    // R11
    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_at_the_very_instant_is_delivered() {
        let mut waiting = pin!(until_head(sleep(100 * MS), limit()));
        assert!(poll(waiting.as_mut()).is_pending());
        advance(100 * MS).await;
        assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_runs_from_the_connection_on() {
        let (connected, connection) = oneshot::channel::<()>();
        let mut connection = Some(connection);
        let mut connect = ConnectLayer(None).layer(service_fn(move |()| {
            let connection = connection.take().expect("one connection");
            async { connection.await.map_err(io::Error::other) }
        }));
        let attempt = async {
            connect.call(()).await.unwrap();
            pending::<()>().await;
        };
        let mut waiting = pin!(until_head(attempt, limit()));
        assert!(poll(waiting.as_mut()).is_pending());
        assert_eq!(armed(), 0);
        advance(500 * MS).await;
        assert!(poll(waiting.as_mut()).is_pending());
        connected.send(()).unwrap();
        assert!(poll(waiting.as_mut()).is_pending());
        advance(99 * MS).await;
        assert!(poll(waiting.as_mut()).is_pending());
        advance(MS).await;
        assert!(poll(waiting.as_mut()).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn each_part_of_a_body_has_the_whole_limit() {
        let steps = [Step::Wait, Step::Data("first"), Step::Wait, Step::Data("second"), Step::Stall];
        let mut body = ReadBody::new(ScriptedBody::new(steps), limit());
        for part in ["first", "second"] {
            assert!(poll_frame(&mut body).is_pending());
            advance(99 * MS).await;
            assert_eq!(data(&mut body), part);
            // What the caller does in between is not waiting.
            advance(500 * MS).await;
        }
        assert!(poll_frame(&mut body).is_pending());
        advance(99 * MS).await;
        assert!(poll_frame(&mut body).is_pending());
        advance(MS).await;
        let reached = LimitReached::find(&*error(&mut body));
        assert_eq!(reached.map(|reached| (reached.limit(), reached.length())), Some((Limit::Read, 100 * MS)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_passed_on_exactly_and_without_a_timer_where_there_is_no_limit() {
        let mut body = ReadBody::new(ScriptedBody::full("charged"), None);
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
        assert_eq!(data(&mut body), "charged");
        assert!(body.is_end_stream() && is_at_end(&mut body));
        let mut stalled = ReadBody::new(ScriptedBody::new([Step::Stall]), None);
        assert!(poll_frame(&mut stalled).is_pending());
        assert_eq!(armed(), 0);
    }
}
