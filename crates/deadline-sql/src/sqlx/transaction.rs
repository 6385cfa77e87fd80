//! Transactions.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use super::execute::run;
use super::{Error, Session};
use crate::{DriverError, Verdict, statements};

/// A transaction, or a savepoint in one. An executor as [`Session`] is: `&mut *transaction`.
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

impl Session {
    /// Begins a transaction; in a transaction, a savepoint.
    ///
    /// # Errors
    ///
    /// As for every statement. Whatever becomes of it, also where its future is dropped, no transaction is left open
    /// behind one's back.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.open("BEGIN").await?;
        let depth = self.lease.depth();
        Ok(Transaction { session: self, depth, done: false })
    }

    /// Begins a transaction by a statement of one's own, as `BEGIN ISOLATION LEVEL SERIALIZABLE`.
    ///
    /// # Errors
    ///
    /// As for [`begin`](Self::begin); in a transaction, sqlx's `InvalidSavePointStatement`; and its `BeginFailed` where
    /// the statement begins none, which is not sent then.
    pub async fn begin_with(&mut self, statement: impl SqlSafeStr) -> Result<Transaction<'_>, Error> {
        if self.lease.depth() > 0 {
            return Err(Error::Database(sqlx::Error::InvalidSavePointStatement));
        }
        let statement = statement.into_sql_str();
        if !statements::may_begin(statement.as_str()) {
            return Err(Error::Database(sqlx::Error::BeginFailed));
        }
        self.open(statement.as_str()).await?;
        let depth = self.lease.depth();
        Ok(Transaction { session: self, depth, done: false })
    }

    /// Begins a transaction with this statement, or a savepoint in the one that is open. One message: it begins, and is
    /// told its time with it.
    pub(crate) async fn open(&mut self, begin: &str) -> Result<(), Error> {
        let depth = self.lease.depth();
        let running = self.lease.start().await?.begins();
        run!(running, |held, limit| {
            if depth == 0 {
                held.backend.outside();
            }
            let savepoint = || format!("SAVEPOINT {}", statements::savepoint(depth));
            // A savepoint comes after the time: it could take some. A transaction is what the time is for.
            let statements = match (held.backend.telling(limit, true), depth) {
                (None, 0) => begin.to_owned(),
                (None, _) => savepoint(),
                (Some(arming), 0) => format!("{begin}; {arming}"),
                (Some(arming), _) => format!("{arming}; {}", savepoint()),
            };
            held.send(statements, limit, true).await
        })
    }

    /// Commits the innermost.
    pub(crate) async fn keep(&mut self) -> Result<(), Error> {
        let depth = self.lease.depth();
        let running = self.lease.start().await?.untimed();
        let ended = run!(running, |held, limit| {
            // The first half fails where the transaction had failed before (25P02), and the second is not run then: a
            // `COMMIT` by itself would be answered with `ROLLBACK`, and no error.
            let first = held.backend.telling(limit, true).unwrap_or_else(|| "SELECT".to_owned());
            held.send(format!("{first}; {}", statements::commit(depth)), limit, true).await
        });
        match ended {
            Ok(()) => self.lease.closed(),
            Err(Error::Database(error)) if error.verdict() == Verdict::Aborted => return Err(Error::RolledBack),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Rolls the innermost back, and waits for that.
    pub(crate) async fn undo(&mut self) -> Result<(), Error> {
        let Some(open) = self.lease.innermost() else { return Ok(()) };
        let running = self.lease.start().await?.untimed();
        run!(running, |held, _limit| {
            held.connection.execute(AssertSqlSafe(statements::roll_back(&open))).await.map(|_| ())
        })?;
        self.lease.closed();
        Ok(())
    }

    /// Rolls the innermost back, in the background.
    pub(crate) fn abandon(&mut self) {
        self.lease.abandon();
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
    /// `COMMIT` with `ROLLBACK` and no error, and sqlx says `Ok`. Else as for every statement.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.session.lease.enclose_within(self.depth);
        self.session.keep().await?;
        self.done = true;
        Ok(())
    }

    /// Undoes what it did, and waits for that, where [dropping](Drop) it does not.
    ///
    /// # Errors
    ///
    /// As for every statement. It is undone all the same, in the background.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.session.lease.enclose_within(self.depth);
        self.session.undo().await?;
        self.done = true;
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
            self.session.abandon();
        }
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("session", &self.session).finish()
    }
}
