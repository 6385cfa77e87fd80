//! The database itself.

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, Statement};

use http_deadline::Deadline;

use super::{Error, Transaction, query_error, statement};
use crate::sqlx::{Connection, Pool};

/// What entities and statements of sea-orm run on, each on a connection of its own. A clone is the same.
///
/// ```no_run
/// use deadline_sql::sea_orm::{Database, Error};
/// use deadline_sql::sqlx::{Pool, recommended};
/// use sea_orm::ConnectionTrait;
/// use sqlx::postgres::PgPoolOptions;
///
/// # async fn handler() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = recommended(PgPoolOptions::new()).connect("postgres://app@localhost/app").await?;
/// let database = Database::new(Pool::new(pool));
///
/// // Under a `DeadlineLayer`, its deadline holds here, and for each statement of the transaction.
/// let transfer = database.transaction(async |transaction| {
///     transaction.execute_unprepared("UPDATE accounts SET balance = balance - 5 WHERE id = 1").await?;
///     transaction.execute_unprepared("UPDATE accounts SET balance = balance + 5 WHERE id = 2").await?;
///     Ok::<_, Error>(())
/// });
/// transfer.await?;
/// # Ok(()) }
/// ```
///
/// It is also made around the pool of a `DatabaseConnection` that is there already:
/// `Database::new(Pool::new(connection.get_postgres_connection_pool().clone()))`.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
    given: Option<Deadline>,
}

impl Database {
    /// By the connections of this pool.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, given: None }
    }

    /// The same to this deadline, for every wait and every statement; or the ambient one, where that is sooner.
    #[must_use]
    pub fn before(&self, deadline: Deadline) -> Self {
        Self { given: Some(self.given.map_or(deadline, |given| given.sooner(deadline))), ..self.clone() }
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// Those of [`Error`] everywhere. Whatever becomes of it, also where its future is dropped, no transaction is left
    /// open behind one's back.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        self.begin_with_config(None, None).await
    }

    /// Begins a transaction at this level of isolation, that may write or may not.
    ///
    /// # Errors
    ///
    /// As for [`begin`](Self::begin).
    pub async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<Transaction, Error> {
        let level = isolation_level.map(|level| format!("ISOLATION LEVEL {level}"));
        let modes: Vec<_> = level.into_iter().chain(access_mode.map(|mode| mode.to_string())).collect();
        let begin = format!("BEGIN {}", modes.join(", "));
        Transaction::begin(self.connection().await?, begin.trim_end()).await
    }

    /// Does the work in a transaction, and commits it where it is well. Where it fails, or where this future is dropped,
    /// it is rolled back: at once, and what it locked is free then.
    ///
    /// # Errors
    ///
    /// The work's own, and those of [`Transaction::commit`].
    pub async fn transaction<T, E>(&self, work: impl AsyncFnOnce(&Transaction) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error>,
    {
        let transaction = self.begin().await?;
        let done = work(&transaction).await?;
        transaction.commit().await?;
        Ok(done)
    }

    async fn connection(&self) -> Result<Connection, Error> {
        let connection = match self.given {
            Some(deadline) => self.pool.get_before(deadline).await,
            None => self.pool.get().await,
        };
        connection.map_err(|error| error.map(query_error))
    }
}

#[async_trait]
impl ConnectionTrait for Database {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        statement::execute(&mut *self.connection().await?, stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        statement::execute_unprepared(&mut *self.connection().await?, sql).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        statement::query_one(&mut *self.connection().await?, stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        statement::query_all(&mut *self.connection().await?, stmt).await
    }
}
