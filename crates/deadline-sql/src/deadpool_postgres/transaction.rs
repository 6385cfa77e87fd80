//! Transactions.

use std::fmt;
use std::ops::{Deref, DerefMut};

use tokio_postgres::IsolationLevel;

use super::{Error, Session};
use crate::postgres::flight;
use crate::postgres::manner::Manner;
use crate::statements;

/// A transaction, or a savepoint in one.
///
/// Dropped before it was committed, it is rolled back at once and in the background: what it locked is free as soon as
/// the server has done so, not when the connection is used again.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'a> {
    session: &'a mut Session,
    /// How many are open, with this one.
    depth: usize,
    done: bool,
}

/// How a transaction begins.
#[derive(Debug)]
#[must_use = "a transaction begins when it is started"]
pub struct TransactionBuilder<'a> {
    session: &'a mut Session,
    manner: Manner,
}

impl Session {
    /// Begins a transaction; in a transaction, a savepoint.
    ///
    /// # Errors
    ///
    /// As for every statement. Whatever becomes of it, no transaction is left open behind one's back.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        self.build_transaction().start().await
    }

    /// A transaction with an isolation level and other modes of its own.
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_> {
        TransactionBuilder { session: self, manner: Manner::default() }
    }
}

impl<'a> TransactionBuilder<'a> {
    /// At this level of isolation.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.manner.isolation = Some(level);
        self
    }

    /// That may write nothing, or may.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.manner.read_only = Some(read_only);
        self
    }

    /// That may wait, so that it cannot fail for want of serialization later: one that is serializable and read-only.
    pub fn deferrable(mut self, deferrable: bool) -> Self {
        self.manner.deferrable = Some(deferrable);
        self
    }

    /// Begins it. Within a transaction this is a savepoint, which has the modes of its transaction.
    ///
    /// # Errors
    ///
    /// As for [`Session::transaction`].
    pub async fn start(self) -> Result<Transaction<'a>, Error> {
        let Self { session, manner } = self;
        let running = session.lease.start().await?.begins();
        flight::begin(running, manner).await?;
        let depth = session.lease.depth();
        Ok(Transaction { session, depth, done: false })
    }
}

impl Transaction<'_> {
    /// Keeps what it did. A savepoint is kept with its transaction.
    ///
    /// Where the deadline is sooner than the server's answer, nobody knows whether it was kept:
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), and never to be tried again as it is. The server's own timer does
    /// not cover a `COMMIT`; it is cancelled at the deadline.
    ///
    /// # Errors
    ///
    /// [`Error::RolledBack`](crate::Error::RolledBack) where a statement in it had failed: PostgreSQL answers such a
    /// `COMMIT` with `ROLLBACK` and no error, and tokio-postgres says `Ok`. Else as for every statement.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.session.lease.enclose_within(self.depth);
        let running = self.session.lease.start().await?;
        if flight::commit(running).await? { self.ended() } else { Err(Error::RolledBack) }
    }

    /// Undoes what it did, and waits for that, where [dropping](Drop) it does not.
    ///
    /// # Errors
    ///
    /// As for every statement. It is undone all the same, in the background.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.session.lease.enclose_within(self.depth);
        let Some(open) = self.session.lease.innermost() else { return self.ended() };
        let running = self.session.lease.start().await?.untimed();
        let raced = match running.connection() {
            Some(connection) => running.race(flight::persistently(&**connection, &statements::roll_back(&open))).await,
            None => None,
        };
        running.end(raced)?;
        self.ended()
    }

    fn ended(&mut self) -> Result<(), Error> {
        self.done = true;
        self.session.lease.closed();
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.session
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.session.lease.enclose_within(self.depth);
            self.session.lease.abandon();
        }
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("session", &self.session).finish()
    }
}
