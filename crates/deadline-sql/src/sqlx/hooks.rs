//! What a pool of sqlx needs, with ours around it or without.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Error, Executor, Row};

use crate::{DriverError, Verdict};

/// The time of the transaction is that of the statement where the statement is a transaction of its own.
const ALONE: &str = "SELECT now() = statement_timestamp()";

/// Errors that may be left on a connection: one for each statement that somebody dropped, of which there are seldom two.
const MOST: usize = 16;

/// Options for a pool whose connections come back clean: [`swallow_stale_cancels`] at each return, and no ping before a
/// connection is given out. What was closed while it was idle is found by the first statement on it then, which fails;
/// `test_before_acquire(true)` behind this pings again.
///
/// A pool that is used through ours alone needs no more than `test_before_acquire(false)`, and saves a round trip at each
/// return.
///
/// ```no_run
/// use deadline_sql::sqlx::{Pool, recommended};
/// use sqlx::postgres::PgPoolOptions;
///
/// # async fn make() -> Result<(), sqlx::Error> {
/// let options = recommended(PgPoolOptions::new().max_connections(8));
/// let pool = Pool::new(options.connect("postgres://app@localhost/app").await?);
/// # let _ = pool; Ok(()) }
/// ```
///
/// A server looks whether its client is still there, and stops, where it is told so:
/// `PgConnectOptions::options([("client_connection_check_interval", "250")])`, from PostgreSQL 14 on. It is the last
/// resort for a connection that had to be closed; a pooler may refuse it.
pub fn recommended(options: PgPoolOptions) -> PgPoolOptions {
    options.test_before_acquire(false).after_release(swallow_stale_cancels)
}

/// For `PgPoolOptions::after_release`: waits for what was not waited for, swallows its errors, and ends a transaction
/// that a dropped `begin()` left open (sqlx's issues 4385 and 4393).
///
/// It keeps a connection whose statement was stopped, which sqlx would close. It stops nothing itself, and takes a round
/// trip at each return, when nobody waits for it.
///
/// # Errors
///
/// That the connection is not to be used any more.
pub fn swallow_stale_cancels(
    connection: &mut PgConnection,
    _: PoolConnectionMetadata,
) -> BoxFuture<'_, Result<bool, Error>> {
    async move {
        if !is_alone(connection).await? {
            connection.execute("ROLLBACK").await?;
        }
        Ok(true)
    }
    .boxed()
}

/// Whether no transaction is open, once everything that was sent before has been answered.
async fn is_alone(connection: &mut PgConnection) -> Result<bool, Error> {
    for _ in 0..MOST {
        match connection.fetch_one(ALONE).await {
            Ok(row) => return row.try_get(0),
            Err(error) if error.verdict() == Verdict::Aborted => return Ok(false),
            // Of somebody before.
            Err(Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Protocol("a connection does not come to rest".to_owned()))
}
