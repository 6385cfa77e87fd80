//! A statement whose answer comes bit by bit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio_postgres::{Error as DriverError, SimpleQueryStream};

use super::Error;
use super::driver::Driver;
use super::flight::commit;
use crate::Running;
use crate::timer::Alarm;

/// Ends a stream at its deadline. Dropped before the stream has ended, it has the statement stopped.
pub(super) struct Watch<'a> {
    /// `None` after the end.
    running: Option<Running<'a, Driver>>,
    alarm: Alarm,
    /// The end of the transaction around it, once the answer is complete.
    committing: Option<Pin<Box<SimpleQueryStream>>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(running: Running<'a, Driver>) -> Self {
        Self { alarm: running.alarm(), running: Some(running), committing: None }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.running.is_none()
    }

    /// What the stream says, unless it has nothing to say at the deadline.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<T, DriverError>>,
    ) -> Poll<Result<T, Error>> {
        match polled {
            Poll::Ready(Ok(item)) => Poll::Ready(Ok(item)),
            Poll::Ready(Err(error)) => Poll::Ready(self.end(Some(Err(error)))),
            Poll::Pending => self.alarm.poll(cx).map(|()| self.end(None)),
        }
    }

    /// Whether the answer is complete, and only the transaction around it is not.
    pub(super) fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// The answer is complete: what is around it is ended too.
    pub(super) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(running) = &self.running else { return Poll::Ready(Ok(())) };
        if running.is_enclosed() && self.committing.is_none() {
            match running.connection().and_then(|connection| commit(&connection.client)) {
                Some(Ok(committing)) => self.committing = Some(Box::pin(committing)),
                Some(Err(error)) => return Poll::Ready(self.end(Some(Err(error)))),
                None => return Poll::Ready(self.end(None)),
            }
        }
        let committed = self.committing.as_mut().map_or(Poll::Ready(Ok(())), |committing| poll_end(committing, cx));
        ready!(self.poll(cx, committed))?;
        Poll::Ready(self.end(Some(Ok(()))))
    }

    fn end<T>(&mut self, raced: Option<Result<T, DriverError>>) -> Result<T, Error> {
        match self.running.take() {
            Some(running) => running.end(raced),
            None => Err(Error::ConnectionLost),
        }
    }
}

/// Waits for the last of it.
fn poll_end(answer: &mut Pin<Box<SimpleQueryStream>>, cx: &mut Context<'_>) -> Poll<Result<(), DriverError>> {
    while ready!(answer.as_mut().poll_next(cx)?).is_some() {}
    Poll::Ready(Ok(()))
}
