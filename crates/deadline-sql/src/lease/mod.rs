//! A connection on loan, and the engine that never lets it go dirty.
//!
//! Covers taking a connection within the deadline, running one statement after the other on it, and what becomes of it
//! when a statement is not waited for: it moves into a task of its own, which stops the statement, and comes back clean
//! or is closed (R41). Does not know any database: an [`Adapter`] does.

use std::fmt;
use std::sync::Arc;

use http_deadline::{Ambient, Cause, Deadline, Exceeded, Stage};
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::adapter::{AcquireError, Adapter, Open};
use crate::error::{Interrupted, Outcome, Stopped};
use crate::stage::{self, Wait};
use crate::{Error, Limit, count, report, timer};

mod desk;
mod running;
mod settle;
#[cfg(any(feature = "deadpool-postgres", feature = "diesel-async"))]
mod watch;

pub use self::desk::{Engine, Undrained};
pub use self::running::Running;
use self::settle::{Plan, settle};
#[cfg(any(feature = "deadpool-postgres", feature = "diesel-async"))]
pub(crate) use self::watch::Watch;

/// A connection that was taken out of a pool, to run one statement after the other.
///
/// It goes back when it is dropped: at once if it is idle, and otherwise when it has been brought to rest.
pub struct Lease<A: Adapter> {
    engine: Arc<Engine<A>>,
    given: Option<Deadline>,
    state: State<A::Connection>,
    /// How many transactions are open within one another: the first is one, the others are savepoints.
    depth: usize,
    /// Whether there may be one that we do not know of.
    suspect: bool,
    _out: TaskTrackerToken,
}

enum State<C> {
    Ready(C),
    /// It is being brought to rest, and comes back by this; or nothing does.
    Settling(oneshot::Receiver<C>),
    Lost,
}

impl<A: Adapter> Lease<A> {
    /// Waits for a connection, at most to the sooner one of the deadline that is `given` and the ambient one.
    ///
    /// Dropping the future takes nothing out of the pool.
    ///
    /// # Errors
    ///
    /// [`Error::Exceeded`] of stage `unsent` where nothing is left, of `pool` or `connect` where it took too long;
    /// [`Error::Unavailable`] and [`Error::PoolClosed`].
    pub async fn acquire(engine: &Arc<Engine<A>>, given: Option<Deadline>) -> Result<Self, Error<A::Error>> {
        let begun = timer::now();
        if engine.is_closed() {
            return Err(Error::PoolClosed);
        }
        let limit = engine.limit(given)?;
        let (wait, _stage) = (Wait::default(), stage::enter(Stage::Pool));
        let at = limit.deadline().map(|deadline| deadline.instant());
        let acquired = timer::before(at, wait.run(engine.adapter().acquire())).await;
        count::pool_wait(timer::now().saturating_duration_since(begun));
        match (acquired, limit.deadline()) {
            (Some(Ok(connection)), _) if engine.is_closed() => {
                engine.adapter().release(connection);
                Err(Error::PoolClosed)
            }
            (Some(Ok(connection)), _) => Ok(Self::new(engine, given, connection)),
            (Some(Err(AcquireError::Connect(error))), _) => Err(Error::Unavailable(error)),
            (Some(Err(AcquireError::Closed)) | None, None) | (Some(Err(AcquireError::Closed)), _) => {
                Err(Error::PoolClosed)
            }
            (None, Some(deadline)) => Err(not_sent(deadline, wait.stage()).into()),
        }
    }

    fn new(engine: &Arc<Engine<A>>, given: Option<Deadline>, connection: A::Connection) -> Self {
        let (state, out) = (State::Ready(connection), engine.token());
        Self { engine: Arc::clone(engine), given, state, depth: 0, suspect: false, _out: out }
    }

    /// Begins a statement: waits for what ran before and was not waited for, and takes the time.
    ///
    /// # Errors
    ///
    /// [`Error::Exceeded`] where nothing is left (R16), and [`Error::ConnectionLost`].
    pub async fn start(&mut self) -> Result<Running<'_, A>, Error<A::Error>> {
        let stage = stage::enter(Stage::Database);
        if let State::Settling(_) = self.state {
            let at = self.engine.limit(self.given)?.deadline();
            self.settled(at).await?;
        }
        let limit = self.engine.limit(self.given)?;
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Ready(connection) => Ok(Running::new(self, connection, limit, stage)),
            State::Settling(_) | State::Lost => Err(Error::ConnectionLost),
        }
    }

    /// Waits until the connection has been brought to rest.
    async fn settled(&mut self, deadline: Option<Deadline>) -> Result<(), Error<A::Error>> {
        let State::Settling(settling) = &mut self.state else { return Ok(()) };
        match (timer::before(deadline.map(|deadline| deadline.instant()), settling).await, deadline) {
            (Some(Ok(connection)), _) => self.state = State::Ready(connection),
            (Some(Err(_)) | None, None) | (Some(Err(_)), _) => self.state = State::Lost,
            (None, Some(deadline)) => return Err(not_sent(deadline, Stage::Database).into()),
        }
        Ok(())
    }

    /// Somebody may have opened a transaction by hand: it is ended before the connection goes back.
    pub fn suspect(&mut self) {
        self.suspect = true;
    }

    /// Whether somebody may have.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// How many transactions are open within one another.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// A transaction, or a savepoint in one, has begun.
    pub fn opened(&mut self) {
        self.depth += 1;
    }

    /// The innermost one has been ended by the server's word.
    pub fn closed(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// What was begun when so many were open, and was never ended, ends with the innermost of these.
    #[cfg(any(feature = "deadpool-postgres", feature = "diesel-async", feature = "sqlx"))]
    pub(crate) fn enclose_within(&mut self, depth: usize) {
        self.depth = self.depth.min(depth);
    }

    /// Ends the innermost transaction in the background, now: what it locked is free as soon as the server has done so,
    /// whatever becomes of the lease.
    pub fn abandon(&mut self) {
        let Some(open) = self.innermost() else { return };
        self.closed();
        let plan = Plan::roll_back(open);
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Ready(connection) => State::Settling(settle(&self.engine, connection, plan)),
            State::Settling(before) => State::Settling(settle::after(&self.engine, before, plan)),
            State::Lost => State::Lost,
        };
    }

    /// Ends the transactions that were begun when so many were open, in the background, now.
    #[cfg(feature = "diesel-async")]
    pub(crate) fn abandon_within(&mut self, depth: usize) {
        if self.depth > depth {
            // Whoever leaves one leaves those within it.
            self.depth = depth + 1;
            self.abandon();
        }
    }

    /// Waits until what goes on in the background is done, at most to the deadline.
    #[cfg(feature = "diesel-async")]
    pub(crate) async fn rested(&mut self) {
        if let (State::Settling(_), Ok(limit)) = (&self.state, self.engine.limit(self.given)) {
            // Whoever comes next is told.
            let _ = self.settled(limit.deadline()).await;
        }
    }

    /// Brings the connection to rest in the background, whatever somebody has done with it: outside of a transaction of
    /// ours, also one of theirs is ended.
    pub fn clean(&mut self) {
        let open = (self.depth == 0).then_some(Open::Transaction);
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Ready(connection) => {
                let plan = Plan::clean(self.engine.settings(), open);
                State::Settling(settle(&self.engine, connection, plan))
            }
            State::Settling(settling) => State::Settling(settling),
            State::Lost => State::Lost,
        };
    }

    /// What the innermost transaction is, if one is open.
    #[must_use]
    pub fn innermost(&self) -> Option<Open> {
        match self.depth {
            0 => None,
            1 => Some(Open::Transaction),
            depth => Some(Open::Savepoint(depth - 1)),
        }
    }

    /// The connection, if it is idle.
    pub fn connection(&self) -> Option<&A::Connection> {
        match &self.state {
            State::Ready(connection) => Some(connection),
            State::Settling(_) | State::Lost => None,
        }
    }

    /// The connection, if it is idle, to look after it without running a statement.
    pub fn connection_mut(&mut self) -> Option<&mut A::Connection> {
        match &mut self.state {
            State::Ready(connection) => Some(connection),
            State::Settling(_) | State::Lost => None,
        }
    }

    /// The engine that it belongs to.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine<A>> {
        &self.engine
    }
}

impl<A: Adapter> Engine<A> {
    /// What the next statement may take: the sooner one of the deadline that is `given` and the ambient one, and
    /// what the server is told of it (R21, R40).
    ///
    /// # Errors
    ///
    /// The refusal, where less than a millisecond is left.
    pub fn limit(&self, given: Option<Deadline>) -> Result<Limit, Interrupted> {
        let ambient = Ambient::as_it_is();
        let deadline = match (given, stage::binding(&ambient)) {
            (Some(given), Some(ambient)) => Some(given.sooner(ambient)),
            (given, ambient) => given.or(ambient),
        };
        let reserve = self.settings().reserve;
        let reserve = ambient.journey().map_or(reserve, |journey| journey.policy().reserved().max(reserve));
        let now = timer::now();
        let limit = Limit::of(deadline, reserve, now);
        // There is always something left where there is no deadline.
        limit.ok_or_else(|| not_sent(deadline.unwrap_or(Deadline::at(now)), Stage::Unsent))
    }
}

/// What was not sent, because it could not be in time.
fn not_sent(deadline: Deadline, stage: Stage) -> Interrupted {
    let exceeded = Exceeded::new(deadline, stage, Cause::Deadline, timer::now());
    let interrupted = Interrupted { exceeded, stopped: Stopped::NotSent, outcome: Outcome::NotStarted, backend: None };
    report::interrupted(&interrupted, None);
    interrupted
}

impl<A: Adapter> fmt::Debug for Lease<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, depth, .. } = self;
        f.debug_struct("Lease").field("given", given).field("depth", depth).finish_non_exhaustive()
    }
}

impl<A: Adapter> Drop for Lease<A> {
    fn drop(&mut self) {
        // Whoever leaves the outermost transaction leaves all.
        if self.depth > 0 || self.suspect {
            self.depth = 1;
            self.abandon();
        }
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Ready(connection) => self.engine.adapter().release(connection),
            // What comes back from here on finds nobody, and goes to the pool.
            State::Settling(mut settling) => {
                settling.close();
                if let Ok(connection) = settling.try_recv() {
                    self.engine.adapter().release(connection);
                }
            }
            State::Lost => {}
        }
    }
}

#[cfg(test)]
mod tests;
