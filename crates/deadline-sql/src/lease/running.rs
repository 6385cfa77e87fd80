//! One statement.
//!
//! Covers the time that it has, and what becomes of its connection: idle again, closed, or brought to rest in the
//! background where nobody waited for the answer. Does not send anything.

use http_deadline::{Cause, Deadline, Exceeded, Stage, StageGuard};

use super::settle::{Plan, settle};
use super::{Lease, State};
use crate::adapter::{Adapter, Open};
use crate::error::{DriverError, Interrupted, Outcome, Stopped, Verdict};
use crate::{Error, Limit, count, report, timer};

/// Which transaction a statement begins, that is open as soon as it is sent.
#[derive(Clone, Copy, PartialEq)]
enum Begins {
    None,
    /// One that stays open.
    Lasting,
    /// One around itself alone.
    Own,
}

/// One statement on a leased connection, from its start to its answer.
///
/// Dropped before it was [ended](Self::end), it has the statement stopped, at once and in the background.
pub struct Running<'a, A: Adapter> {
    lease: &'a mut Lease<A>,
    /// `None` after the end.
    connection: Option<A::Connection>,
    limit: Limit,
    /// Whether the server was told the limit, and stops by itself.
    timed: bool,
    begins: Begins,
    _stage: Option<StageGuard>,
}

impl<'a, A: Adapter> Running<'a, A> {
    pub(super) fn new(
        lease: &'a mut Lease<A>,
        connection: A::Connection,
        limit: Limit,
        stage: Option<StageGuard>,
    ) -> Self {
        let timed = limit.millis().is_some() && lease.engine.adapter().waits_for_server();
        Self { lease, connection: Some(connection), limit, timed, begins: Begins::None, _stage: stage }
    }

    /// What it may take.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// The lease that it runs on, whose connection it has.
    #[must_use]
    pub fn lease(&self) -> &Lease<A> {
        self.lease
    }

    /// The connection; always there before the end.
    pub fn connection(&self) -> Option<&A::Connection> {
        self.connection.as_ref()
    }

    /// The connection; always there before the end.
    pub fn connection_mut(&mut self) -> Option<&mut A::Connection> {
        self.connection.as_mut()
    }

    /// The server's own timer does not cover this one, as it does not cover `COMMIT`: it is cancelled at the deadline,
    /// without a grace.
    #[must_use]
    pub fn untimed(self) -> Self {
        let mut this = self;
        this.timed = false;
        this
    }

    /// It begins a transaction, or a savepoint in one. What becomes of it, none is left open behind our back.
    #[must_use]
    pub fn begins(self) -> Self {
        let mut this = self;
        this.begins = Begins::Lasting;
        this
    }

    /// It runs in a transaction of its own, which ends with it.
    pub fn encloses(&mut self) {
        self.begins = Begins::Own;
    }

    /// Whether it runs in a transaction of its own, which ends with it.
    #[must_use]
    pub fn is_enclosed(&self) -> bool {
        self.begins == Begins::Own
    }

    /// What the driver answers, unless the deadline is sooner. What is ready at the instant is delivered (R11).
    ///
    /// A driver whose calls take the connection exclusively copies the [limit](Self::limit) first, and races
    /// [against that](Limit::race).
    pub fn race<F: Future>(&self, call: F) -> impl Future<Output = Option<F::Output>> + use<F, A> {
        self.limit.race(call)
    }

    /// Ends it with what [`race`](Self::race) yielded.
    ///
    /// # Errors
    ///
    /// [`Error::Exceeded`] where the deadline was sooner, or where the server stopped the statement at the time that it
    /// was told; [`Error::Database`] with whatever else the driver says.
    pub fn end<T>(mut self, raced: Option<Result<T, A::Error>>) -> Result<T, Error<A::Error>> {
        match (raced, self.limit.deadline()) {
            (Some(Ok(answer)), _) => {
                self.put_back();
                if self.begins == Begins::Lasting {
                    self.lease.opened();
                }
                Ok(answer)
            }
            (Some(Err(error)), deadline) => Err(self.failed(error, deadline)),
            (None, Some(deadline)) => {
                let interrupted = self.interrupted(deadline, Stopped::Pending, Outcome::Unknown);
                report::interrupted(&interrupted, None);
                self.settle();
                Err(interrupted.into())
            }
            // Nothing but a deadline ends a race.
            (None, None) => Err(Error::ConnectionLost),
        }
    }

    fn failed(&mut self, error: A::Error, deadline: Option<Deadline>) -> Error<A::Error> {
        let now = timer::now();
        match (error.verdict(), deadline) {
            // Before our time was up, it was somebody else's cancel: a person's, or a limit's of the server's own.
            (Verdict::Cancelled, Some(deadline)) if self.limit.is_spent(now) => {
                let interrupted = self.interrupted(deadline, Stopped::ServerTimer, Outcome::RolledBack);
                count::cancelled(Stopped::ServerTimer);
                count::overrun(now.saturating_duration_since(deadline.instant()));
                report::interrupted(&interrupted, error.sqlstate());
                self.put_back_failed();
                interrupted.into()
            }
            (Verdict::Closed, _) => {
                if let Some(connection) = self.connection.take() {
                    self.lease.engine.adapter().discard(connection);
                }
                Error::Database(error)
            }
            _ if error.is_from_server() => {
                self.put_back_failed();
                Error::Database(error)
            }
            // The server may be at it still: a driver that takes one row does not wait for the others.
            _ => {
                self.clean();
                Error::Database(error)
            }
        }
    }

    fn interrupted(&self, deadline: Deadline, stopped: Stopped, outcome: Outcome) -> Interrupted {
        let exceeded = Exceeded::new(deadline, Stage::Database, Cause::Deadline, timer::now());
        let backend = self.connection().and_then(|connection| self.lease.engine.adapter().backend(connection));
        Interrupted { exceeded, stopped, outcome, backend }
    }

    fn put_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.lease.state = State::Ready(connection);
        }
    }

    /// What failed to begin may be open all the same: it may have failed after its first half.
    fn put_back_failed(&mut self) {
        self.put_back();
        if self.begins != Begins::None && self.lease.depth() == 0 {
            self.lease.opened();
            self.lease.abandon();
        }
    }

    /// Ends it without the rest of its answer, for which nobody waits. It is not stopped before its time is up.
    #[cfg(feature = "diesel-async")]
    pub(crate) fn leave(mut self) {
        if let Some(connection) = self.connection.take() {
            let plan = Plan::rest(self.limit, self.lease.engine.settings());
            self.lease.state = State::Settling(settle(&self.lease.engine, connection, plan));
        }
    }

    /// Waits in the background for the rest of an answer of which the driver has had enough.
    fn clean(&mut self) {
        if let Some(connection) = self.connection.take() {
            let plan = Plan::clean(self.lease.engine.settings(), self.open());
            self.lease.state = State::Settling(settle(&self.lease.engine, connection, plan));
        }
    }

    /// A savepoint that nobody knows of is gone with its transaction.
    fn open(&self) -> Option<Open> {
        (self.begins != Begins::None && self.lease.depth() == 0).then_some(Open::Transaction)
    }

    /// Has it stopped in the background, and the connection back when it is at rest.
    fn settle(&mut self) {
        if let Some(connection) = self.connection.take() {
            let plan = Plan::stop(self.limit, self.timed, self.lease.engine.settings(), self.open());
            self.lease.state = State::Settling(settle(&self.lease.engine, connection, plan));
        }
    }
}

impl<A: Adapter> Drop for Running<'_, A> {
    fn drop(&mut self) {
        // Dropping is cancelling (R15).
        self.settle();
    }
}
