//! Transactions.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::{Error, query_error, statement};
use crate::sqlx::Connection;

/// A transaction. What runs on it at once runs one after the other.
///
/// Dropped before it was committed, it is rolled back at once and in the background: what it locked is free as soon as
/// the server has done so.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    connection: Mutex<Connection>,
    /// A savepoint was dropped while somebody used the connection: what it did can no longer be told from the rest.
    spoilt: AtomicBool,
}

impl Transaction {
    pub(super) async fn begin(mut connection: Connection, begin: &str) -> Result<Self, Error> {
        connection.open(begin).await.map_err(of_sqlx)?;
        Ok(Self { connection: Mutex::new(connection), spoilt: AtomicBool::new(false) })
    }

    /// Keeps what it did.
    ///
    /// Where the deadline is sooner than the server's answer, nobody knows whether it was kept:
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), and never to be tried again as it is.
    ///
    /// # Errors
    ///
    /// [`Error::RolledBack`](crate::Error::RolledBack) where a statement in it had failed, which sea-orm does not tell.
    /// Else as for every statement.
    pub async fn commit(self) -> Result<(), Error> {
        let mut connection = self.connection.into_inner();
        if self.spoilt.into_inner() {
            return Err(Error::RolledBack);
        }
        connection.keep().await.map_err(of_sqlx)
    }

    /// Undoes what it did, and waits for that, where dropping it does not.
    ///
    /// # Errors
    ///
    /// As for every statement. It is undone all the same, in the background.
    pub async fn rollback(self) -> Result<(), Error> {
        self.connection.into_inner().undo().await.map_err(of_sqlx)
    }

    /// Does the work in a savepoint, which is kept with its transaction where the work is well. Where it fails, or where
    /// this future is dropped, what it did is undone, and the transaction goes on. Nothing else may run on the
    /// transaction meanwhile: it would be part of the savepoint.
    ///
    /// # Errors
    ///
    /// The work's own, and [`Error::RolledBack`](crate::Error::RolledBack) where a statement in it had failed.
    pub async fn savepoint<T, E>(&self, work: impl AsyncFnOnce(&Self) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error>,
    {
        self.connection.lock().await.open("").await.map_err(of_sqlx)?;
        let mut savepoint = Savepoint { transaction: self, open: true };
        let done = work(self).await?;
        self.connection.lock().await.keep().await.map_err(of_sqlx)?;
        savepoint.open = false;
        Ok(done)
    }
}

fn of_sqlx(error: crate::sqlx::Error) -> Error {
    error.map(query_error)
}

/// Undoes what was done since it was made, if nobody has kept it.
struct Savepoint<'a> {
    transaction: &'a Transaction,
    open: bool,
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        match self.transaction.connection.try_lock() {
            Ok(mut connection) => connection.abandon(),
            Err(_) => self.transaction.spoilt.store(true, Ordering::Relaxed),
        }
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        statement::execute(&mut *self.connection.lock().await, stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        statement::execute_unprepared(&mut *self.connection.lock().await, sql).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        statement::query_one(&mut *self.connection.lock().await, stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        statement::query_all(&mut *self.connection.lock().await, stmt).await
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("connection", &self.connection).finish_non_exhaustive()
    }
}
