//! A statement whose answer comes bit by bit.

use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Running;
use crate::Error;
use crate::adapter::Adapter;
use crate::timer::Alarm;

/// What ends a statement, once its answer is complete.
type Ending<A> = BoxFuture<'static, Result<(), <A as Adapter>::Error>>;

/// What makes one.
type End<A> = fn(&<A as Adapter>::Connection) -> Ending<A>;

/// Ends a stream at its deadline. Dropped before the stream has ended, it has the statement stopped.
pub(crate) struct Watch<'a, A: Adapter> {
    /// `None` after the end.
    running: Option<Running<'a, A>>,
    alarm: Alarm,
    /// What ends the transaction around it.
    end: Option<End<A>>,
    ending: Option<Ending<A>>,
}

impl<'a, A: Adapter> Watch<'a, A> {
    pub(crate) fn new(running: Running<'a, A>) -> Self {
        Self { alarm: running.limit().alarm(), running: Some(running), end: None, ending: None }
    }

    /// Where it is enclosed in a transaction, this ends that.
    #[cfg(feature = "deadpool-postgres")]
    pub(crate) fn ended_by(self, end: End<A>) -> Self {
        Self { end: Some(end), ..self }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.is_none()
    }

    /// What the stream says, unless it has nothing to say at the deadline.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<T, A::Error>>,
    ) -> Poll<Result<T, Error<A::Error>>> {
        match polled {
            Poll::Ready(Ok(item)) => Poll::Ready(Ok(item)),
            Poll::Ready(Err(error)) => Poll::Ready(self.end(Some(Err(error)))),
            Poll::Pending => self.alarm.poll(cx).map(|()| self.end(None)),
        }
    }

    /// Fails once the deadline has passed: for what is ready for more at any time, and would else never hear of it.
    #[cfg(feature = "deadpool-postgres")]
    pub(crate) fn check(&mut self, cx: &mut Context<'_>) -> Result<(), Error<A::Error>> {
        match self.alarm.poll(cx) {
            Poll::Ready(()) => self.end(None),
            Poll::Pending => Ok(()),
        }
    }

    /// Whether the answer is complete, and only the transaction around it is not.
    #[cfg(feature = "deadpool-postgres")]
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The answer is complete: what is around it is ended too.
    pub(crate) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<A::Error>>> {
        let Some(running) = &self.running else { return Poll::Ready(Ok(())) };
        if running.is_enclosed() && self.ending.is_none() {
            self.ending = self.end.zip(running.connection()).map(|(end, connection)| end(connection));
        }
        let ended = self.ending.as_mut().map_or(Poll::Ready(Ok(())), |ending| ending.poll_unpin(cx));
        ready!(self.poll(cx, ended))?;
        Poll::Ready(self.end(Some(Ok(()))))
    }

    /// Nobody waits for the rest of the answer, and it is not to be stopped before its time is up.
    #[cfg(feature = "diesel-async")]
    pub(crate) fn leave(&mut self) {
        if let Some(running) = self.running.take() {
            running.leave();
        }
    }

    fn end<T>(&mut self, raced: Option<Result<T, A::Error>>) -> Result<T, Error<A::Error>> {
        match self.running.take() {
            Some(running) => running.end(raced),
            None => Err(Error::ConnectionLost),
        }
    }
}
