//! One statement, and what the server is told before it.

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, Postgres, SqlStr};

use super::driver::Driver;
use super::flow::{Flow, Outlet};
use super::{Error, Session};
use crate::{Lease, statements};

/// What a statement answers bit by bit.
type Item = Either<PgQueryResult, PgRow>;
type SqlxError = sqlx::Error;

/// A statement that has been started, from its arming to its answer.
macro_rules! run {
    ($running:expr, |$held:ident, $limit:ident| $call:block) => {{
        let mut running = $running;
        let $limit = running.limit();
        let at = $limit.deadline().map(|deadline| deadline.instant());
        let raced = match running.connection_mut() {
            Some($held) => $crate::timer::before(at, async move { $call }).await,
            None => None,
        };
        running.end(raced)
    }};
}

pub(super) use run;

/// As `&mut PgConnection` is one: `sqlx::query(..).fetch_one(&mut *connection)`.
///
/// Each statement is told its time, ends at the deadline, and is stopped where its future or stream is dropped before
/// the end. What went wrong is in the error: see [`interrupted`](super::interrupted).
impl<'c> Executor<'c> for &'c mut Session {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Item, SqlxError>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let query = Query::of(query);
        Box::pin(Flow::new(|outlet| async move { Ok(run_query(&mut self.lease, query, outlet).await?) }))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, SqlxError>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut items = self.fetch_many(query);
        // To the end: a statement can still fail after its rows.
        Box::pin(async move {
            let mut first = None;
            while let Some(item) = items.try_next().await? {
                first = first.or(item.right());
            }
            Ok(first)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, SqlxError>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let in_transaction = self.lease.depth() > 0;
            let running = self.lease.start().await?;
            Ok(run!(running, |held, limit| {
                held.tell(limit, in_transaction).await?;
                held.connection.prepare_with(sql, parameters).await
            })?)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, SqlxError>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let in_transaction = self.lease.depth() > 0;
            let running = self.lease.start().await?;
            Ok(run!(running, |held, limit| {
                held.tell(limit, in_transaction).await?;
                held.connection.describe(sql).await
            })?)
        })
    }
}

async fn run_query(
    lease: &mut Lease<Driver>,
    query: Result<Query, BoxDynError>,
    outlet: Outlet<Item>,
) -> Result<(), Error> {
    let query = query.map_err(|error| Error::Database(SqlxError::Encode(error)))?;
    let in_transaction = lease.depth() > 0;
    if !in_transaction && statements::may_begin(query.sql.as_str()) {
        lease.suspect();
    }
    let is_suspect = lease.is_suspect();
    let running = lease.start().await?;
    run!(running, |held, limit| {
        if is_suspect {
            held.backend.begun_by_hand();
        }
        held.tell(limit, in_transaction).await?;
        let mut items = held.connection.fetch_many(query);
        while let Some(item) = items.try_next().await? {
            outlet.give(item).await;
        }
        Ok(())
    })
}

/// A query, taken apart: its text can be looked at, and it borrows nothing.
struct Query {
    sql: SqlStr,
    statement: Option<PgStatement>,
    arguments: Option<PgArguments>,
    persistent: bool,
}

impl Query {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, BoxDynError> {
        let (statement, arguments) = (query.statement().cloned(), query.take_arguments()?);
        let persistent = query.persistent();
        Ok(Self { sql: query.sql(), statement, arguments, persistent })
    }
}

impl Execute<'_, Postgres> for Query {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlx::Pool;
    use sqlx::{query, query_scalar};

    /// As a server wants to have what handles a request.
    fn is_send(_: impl Send) {}

    #[expect(dead_code, reason = "it is enough that it compiles")]
    fn every_future_can_move_between_threads(pool: &Pool) {
        is_send(pool.drain(std::time::Duration::ZERO));
        is_send(async {
            let mut connection = pool.get().await?;
            query("").execute(&mut *connection).await?;
            let mut transaction = connection.begin().await?;
            let mut rows = query("").fetch(&mut *transaction);
            rows.try_next().await?;
            drop(rows);
            let mut savepoint = transaction.begin().await?;
            query_scalar::<_, i32>("").fetch_one(&mut *savepoint).await?;
            savepoint.rollback().await?;
            transaction.commit().await?;
            connection.begin_with("BEGIN READ ONLY").await?.commit().await?;
            drop(connection.raw().await?);
            Ok::<_, Error>(())
        });
    }
}
