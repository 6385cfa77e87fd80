//! Bringing a connection to rest (R41).
//!
//! Covers the ladder: a moment for the server's own timer, a cancel that is waited for, again until everything that was
//! sent has been answered, the end of an open transaction, and at last the closing of what does not come to rest. The
//! connection keeps its place in the pool meanwhile. Does not know how any of it is done.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_deadline::Deadline;
use tokio::sync::oneshot;

use super::Engine;
use crate::adapter::{Adapter, Delivery, Drained, Open, Ticket};
use crate::error::Stopped;
use crate::{Limit, Settings, count, report, timer};

/// What has to happen to a connection.
#[derive(Debug)]
pub(super) struct Plan {
    /// A statement may end by itself, in its own time.
    rest: Option<Limit>,
    /// A statement is to be stopped, after this grace.
    stop: Option<Duration>,
    /// Whether the server was told the time: what ends by itself then, ends by that.
    timed: bool,
    open: Option<Open>,
    /// Since when nobody waits for the statement.
    since: Instant,
    deadline: Option<Deadline>,
}

impl Plan {
    /// A statement that nobody waits for any more. Where the server was told the time, and it is up, the server gets a
    /// moment to say so: that is cheaper than a cancel.
    pub(super) fn stop(limit: Limit, timed: bool, settings: &Settings, open: Option<Open>) -> Self {
        let now = timer::now();
        let grace =
            if timed && limit.is_spent(now + Duration::from_millis(1)) { settings.grace } else { Duration::ZERO };
        let deadline = limit.deadline();
        let since = deadline.map_or(now, |deadline| deadline.instant().min(now));
        Self { rest: None, stop: Some(grace), timed, open, since, deadline }
    }

    /// A statement whose caller has what it wanted, and is not to be stopped before its time is up.
    #[cfg(feature = "diesel-async")]
    pub(super) fn rest(limit: Limit, settings: &Settings) -> Self {
        let deadline = limit.deadline();
        let since = deadline.map_or_else(timer::now, |deadline| deadline.instant());
        Self {
            rest: Some(limit),
            stop: Some(settings.grace),
            timed: limit.millis().is_some(),
            open: None,
            since,
            deadline,
        }
    }

    /// Whatever somebody else has done with the connection, who is done with it.
    pub(super) fn clean(settings: &Settings, open: Option<Open>) -> Self {
        Self { rest: None, stop: Some(settings.grace), timed: false, open, since: timer::now(), deadline: None }
    }

    /// A transaction or a savepoint that nobody ended.
    pub(super) fn roll_back(open: Open) -> Self {
        Self { rest: None, stop: None, timed: false, open: Some(open), since: timer::now(), deadline: None }
    }
}

/// A connection that is closed when the task that has it ends without having brought it to rest: also where the task is
/// dropped with its runtime.
struct Hold<A: Adapter> {
    engine: Arc<Engine<A>>,
    connection: Option<A::Connection>,
    _settling: count::Settling,
}

impl<A: Adapter> Hold<A> {
    fn new(engine: &Arc<Engine<A>>, connection: A::Connection) -> Self {
        let _settling = count::Settling::begin();
        Self { engine: Arc::clone(engine), connection: Some(connection), _settling }
    }
}

impl<A: Adapter> Drop for Hold<A> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            count::unsettled();
            report::unsettled(self.engine.adapter().backend(&connection));
            self.engine.adapter().discard(connection);
        }
    }
}

/// Brings a connection to rest in a task. It comes back by the receiver, or goes to the pool if that is gone.
pub(super) fn settle<A: Adapter>(
    engine: &Arc<Engine<A>>,
    connection: A::Connection,
    plan: Plan,
) -> oneshot::Receiver<A::Connection> {
    let (give, take) = oneshot::channel();
    let hold = Hold::new(engine, connection);
    engine.spawn(bring_to_rest(hold, plan, give));
    take
}

/// The same for a connection that is being brought to rest already.
pub(super) fn after<A: Adapter>(
    engine: &Arc<Engine<A>>,
    before: oneshot::Receiver<A::Connection>,
    plan: Plan,
) -> oneshot::Receiver<A::Connection> {
    let (give, take) = oneshot::channel();
    let held = Arc::clone(engine);
    engine.spawn(async move {
        if let Ok(connection) = before.await {
            bring_to_rest(Hold::new(&held, connection), plan, give).await;
        }
    });
    take
}

async fn bring_to_rest<A: Adapter>(mut hold: Hold<A>, plan: Plan, give: oneshot::Sender<A::Connection>) {
    let engine = Arc::clone(&hold.engine);
    let Some(connection) = &mut hold.connection else { return };
    if climb(&engine, connection, &plan).await == Drained::Clean
        && let Some(connection) = hold.connection.take()
        && let Err(connection) = give.send(connection)
    {
        engine.adapter().release(connection);
    }
}

/// Stops the statement, ends the transaction. Not clean: the connection has to be closed.
async fn climb<A: Adapter>(engine: &Engine<A>, connection: &mut A::Connection, plan: &Plan) -> Drained {
    let ended = match plan.rest {
        Some(limit) => {
            let at = limit.deadline().map(|deadline| deadline.instant());
            timer::before(at, engine.adapter().drain(connection)).await
        }
        None => None,
    };
    if ended == Some(Drained::Broken) {
        return Drained::Broken;
    }
    if let (None, Some(grace)) = (ended, plan.stop) {
        let stopped = stop(engine, connection, grace, plan.timed).await;
        if let Some(stopped) = stopped {
            count::cancelled(stopped);
            report::settled(stopped, engine.adapter().backend(connection), timer::now(), plan.since);
        }
        if stopped == Some(Stopped::Discarded) {
            return Drained::Broken;
        }
        if stopped.is_some() || plan.deadline.is_some() {
            count::overrun(timer::now().saturating_duration_since(plan.since));
        }
    }
    let Some(open) = &plan.open else { return Drained::Clean };
    let rolled_back = engine.adapter().roll_back(connection, open);
    timer::within(engine.settings().roll_back_limit, rolled_back).await.unwrap_or(Drained::Broken)
}

/// Waits until the statement has ended, and sees to it that it does. `None` where it ended without anything of ours, or
/// nothing ran.
async fn stop<A: Adapter>(
    engine: &Engine<A>,
    connection: &mut A::Connection,
    grace: Duration,
    timed: bool,
) -> Option<Stopped> {
    let ticket = engine.adapter().ticket(connection);
    let mut drained = pin!(engine.adapter().drain(connection));
    let mut how = timed.then_some(Stopped::ServerTimer);
    let ended = |drained, how| if drained == Drained::Clean { how } else { Some(Stopped::Discarded) };
    // Without a grace nothing is read before the cancel: a driver that reads as fast as the server sends could go on for
    // all rows of a long answer.
    if (ticket.is_none() || !grace.is_zero())
        && let Some(drained) = timer::within(grace, drained.as_mut()).await
    {
        return ended(drained, how);
    }
    let Some(ticket) = ticket else { return Some(Stopped::Discarded) };
    for patience in &engine.settings().drains {
        match cancel(engine, &ticket).await {
            Delivery::Acted => how = Some(Stopped::CancelRequest),
            Delivery::NotSent => {}
            // Not acknowledged, it could still hit whoever comes next.
            Delivery::Unknown => return Some(Stopped::Discarded),
        }
        if let Some(drained) = timer::within(*patience, drained.as_mut()).await {
            return ended(drained, how);
        }
    }
    Some(Stopped::Discarded)
}

async fn cancel<A: Adapter>(engine: &Engine<A>, ticket: &A::Ticket) -> Delivery {
    let limit = engine.settings().cancel_limit;
    // Where others wait for theirs without end, this one is not sent now: it is tried again, or given up in its time.
    let Some(Ok(_permit)) = timer::within(limit, engine.cancels().acquire()).await else { return Delivery::NotSent };
    timer::within(limit, ticket.cancel()).await.unwrap_or(Delivery::Unknown)
}
