//! A statement whose answer comes bit by bit.

use std::task::{Context, Poll};

use tokio_postgres::Error as DriverError;

use super::Error;
use super::driver::Driver;
use crate::Running;
use crate::timer::Alarm;

/// Ends a stream at its deadline. Dropped before the stream has ended, it has the statement stopped.
pub(super) struct Watch<'a> {
    /// `None` after the end.
    running: Option<Running<'a, Driver>>,
    alarm: Alarm,
}

impl<'a> Watch<'a> {
    pub(super) fn new(running: Running<'a, Driver>) -> Self {
        Self { alarm: running.alarm(), running: Some(running) }
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

    /// The answer is complete.
    pub(super) fn complete(&mut self) {
        // Ended well, it cannot fail.
        let _ = self.end(Some(Ok(())));
    }

    fn end<T>(&mut self, raced: Option<Result<T, DriverError>>) -> Result<T, Error> {
        match self.running.take() {
            Some(running) => running.end(raced),
            None => Err(Error::ConnectionLost),
        }
    }
}
