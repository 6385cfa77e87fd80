//! Transactions.

use diesel::connection::{TransactionDepthChange, TransactionManagerStatus};
use diesel::result::{Error as DieselError, QueryResult};
use diesel_async::TransactionManager;
use tokio_postgres::IsolationLevel;

use super::{Connection, Error};
use crate::postgres::flight;
use crate::postgres::manner::Manner;

/// How transactions of a [`Connection`] begin and end, for diesel.
#[derive(Debug)]
pub struct Transactions(());

/// How a transaction begins.
#[derive(Debug)]
#[must_use = "a transaction begins when it is run"]
pub struct TransactionBuilder<'a> {
    connection: &'a mut Connection,
    manner: Manner,
}

/// A transaction that is open, or a savepoint. Dropped before it was ended, it is rolled back at once, in the background.
struct Open<'a> {
    connection: &'a mut Connection,
    /// How many there were before it.
    depth: usize,
}

impl Connection {
    /// Runs `body` in a transaction; in a transaction, in a savepoint. It is kept where `body` is `Ok`.
    ///
    /// This is what `AsyncConnection::transaction` is, with one difference: dropped at any time, it is rolled back at once,
    /// and what it locked is free. There it is rolled back when the connection is dropped.
    ///
    /// Where the deadline is sooner than the answer to `COMMIT`, nobody knows whether it was kept:
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), and never to be tried again as it is.
    ///
    /// ```no_run
    /// use deadline_sql::diesel_async::Connection;
    /// use diesel::{QueryResult, pg::Pg, sql_query};
    /// use diesel_async::{AsyncConnection, RunQueryDsl};
    ///
    /// async fn ship(connection: &mut Connection) -> QueryResult<usize> {
    ///     connection
    ///         .transaction(async |connection| {
    ///             sql_query("UPDATE orders SET shipped = now()").execute(connection).await
    ///         })
    ///         .await
    /// }
    ///
    /// // Over any connection it is diesel's.
    /// async fn bill<C: AsyncConnection<Backend = Pg>>(connection: &mut C) -> QueryResult<usize> {
    ///     connection
    ///         .transaction(async |connection| sql_query("UPDATE orders SET billed = now()").execute(connection).await)
    ///         .await
    /// }
    /// # fn assert_send(connection: &mut Connection) -> impl Send { ship(connection) }
    /// # async fn assert_any(connection: &mut Connection) { let _ = bill(connection).await; }
    /// ```
    ///
    /// # Errors
    ///
    /// What `body` returns, as it is: whether the server answers to `ROLLBACK` changes nothing. What the beginning fails
    /// with, and the `COMMIT`: [`RolledBack`](crate::Error::RolledBack) where a statement in it had failed and `body` is
    /// `Ok` all the same.
    pub async fn transaction<R, E, F>(&mut self, body: F) -> Result<R, E>
    where
        F: AsyncFnOnce(&mut Self) -> Result<R, E>,
        E: From<DieselError>,
    {
        self.build_transaction().run(body).await
    }

    /// A transaction with an isolation level and other modes of its own.
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_> {
        TransactionBuilder { connection: self, manner: Manner::default() }
    }

    async fn begin(&mut self, manner: Manner) -> Result<(), Error> {
        let running = self.lease.start().await?.begins();
        flight::begin(running, manner).await
    }

    fn innermost(&mut self) -> QueryResult<Open<'_>> {
        let depth = self.lease.depth().checked_sub(1).ok_or(DieselError::NotInTransaction)?;
        Ok(Open { connection: self, depth })
    }

    /// What diesel counts for itself: as many as there are.
    pub(super) fn counted(&mut self) -> &mut TransactionManagerStatus {
        let depth = self.lease.depth();
        if let TransactionManagerStatus::Valid(counted) = &mut self.status {
            let count = |counted: &diesel::connection::ValidTransactionManagerStatus| {
                counted.transaction_depth().map_or(0, |depth| depth.get() as usize)
            };
            while count(counted) < depth
                && counted.change_transaction_depth(TransactionDepthChange::IncreaseDepth).is_ok()
            {}
            while count(counted) > depth
                && counted.change_transaction_depth(TransactionDepthChange::DecreaseDepth).is_ok()
            {}
        }
        &mut self.status
    }
}

impl TransactionBuilder<'_> {
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

    /// Runs `body` in it. Within a transaction this is a savepoint, which has the modes of its transaction.
    ///
    /// # Errors
    ///
    /// As for [`Connection::transaction`].
    pub async fn run<R, E, F>(self, body: F) -> Result<R, E>
    where
        F: AsyncFnOnce(&mut Connection) -> Result<R, E>,
        E: From<DieselError>,
    {
        self.connection.begin(self.manner).await.map_err(DieselError::from)?;
        let open = self.connection.innermost()?;
        match body(open.connection).await {
            Ok(kept) => {
                open.commit().await.map_err(DieselError::from)?;
                Ok(kept)
            }
            Err(error) => {
                open.roll_back().await;
                Err(error)
            }
        }
    }
}

impl Open<'_> {
    /// Whatever becomes of it, it is over then.
    async fn commit(self) -> Result<(), Error> {
        self.connection.lease.enclose_within(self.depth + 1);
        let running = self.connection.lease.start().await?;
        if flight::commit(running).await? {
            self.connection.lease.closed();
            Ok(())
        } else {
            Err(Error::RolledBack)
        }
    }

    /// Waits for it, at most to the deadline.
    async fn roll_back(self) {
        self.connection.lease.abandon_within(self.depth);
        self.connection.lease.rested().await;
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.connection.lease.abandon_within(self.depth);
    }
}

impl TransactionManager<Connection> for Transactions {
    type TransactionStateData = TransactionManagerStatus;

    async fn begin_transaction(connection: &mut Connection) -> QueryResult<()> {
        Ok(connection.begin(Manner::default()).await?)
    }

    async fn rollback_transaction(connection: &mut Connection) -> QueryResult<()> {
        connection.innermost()?.roll_back().await;
        Ok(())
    }

    async fn commit_transaction(connection: &mut Connection) -> QueryResult<()> {
        Ok(connection.innermost()?.commit().await?)
    }

    fn transaction_manager_status_mut(connection: &mut Connection) -> &mut TransactionManagerStatus {
        connection.counted()
    }
}
