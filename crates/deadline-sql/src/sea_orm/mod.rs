//! sea-orm on PostgreSQL, by way of sqlx.
//!
//! Covers a [`Database`] and a [`Transaction`] that entities and statements of sea-orm run on, in the place of a
//! `DatabaseConnection` and a `DatabaseTransaction`. Each statement ends with its request: see [the crate](crate), and
//! [`sqlx`](crate::sqlx), whose pool, costs and workarounds are the same. Does not cover streams (`StreamTrait`) and
//! sea-orm's own `TransactionTrait`.
//!
//! What runs on sea-orm's own `DatabaseConnection`, on the same pool or another, is stopped by nobody: a future that is
//! dropped leaves its statement running. For such a pool there is [`recommended`](crate::sqlx::recommended), by
//! `ConnectOptions::map_sqlx_postgres_pool_opts(recommended)`: what was dropped then hits nobody after it, and loses no
//! writes.

use std::sync::Arc;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use crate::{DriverError, Interrupted, Verdict};

mod database;
mod statement;
mod transaction;

pub use self::database::Database;
pub use self::transaction::Transaction;

/// Why there is no result.
///
/// sea-orm's own methods have an error of sea-orm's, whose chain of sources ends too soon: `tower-deadline` finds no
/// deadline in it. Made into this one, by `?`, it does; and [`interrupted`] finds it in both.
pub type Error = crate::Error<DbErr>;

/// What a deadline stopped, in an error of sea-orm's.
#[must_use]
pub fn interrupted(error: &DbErr) -> Option<&Interrupted> {
    crate::sqlx::interrupted(of_sqlx(error)?)
}

fn of_sqlx(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

impl DriverError for DbErr {
    fn verdict(&self) -> Verdict {
        match (self, of_sqlx(self)) {
            (_, Some(error)) => error.verdict(),
            (Self::ConnectionAcquire(ConnAcquireErr::Timeout), None) => Verdict::Transient,
            (_, None) => Verdict::Other,
        }
    }

    fn sqlstate(&self) -> Option<&str> {
        of_sqlx(self)?.sqlstate()
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        use crate::sqlx::Error as Ours;
        if let DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) = error {
            return Self::PoolClosed;
        }
        match of_sqlx(&error).and_then(crate::sqlx::ours) {
            Some(Ours::Exceeded(interrupted)) => Self::Exceeded(interrupted.clone()),
            Some(Ours::PoolClosed) => Self::PoolClosed,
            Some(Ours::RolledBack) => Self::RolledBack,
            Some(Ours::ConnectionLost) => Self::ConnectionLost,
            Some(Ours::Unavailable(_) | Ours::Database(_)) | None => Self::Database(error),
        }
    }
}

impl From<Error> for DbErr {
    fn from(error: Error) -> Self {
        let error: crate::sqlx::Error = match error {
            Error::Unavailable(error) | Error::Database(error) => return error,
            Error::PoolClosed => return Self::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            Error::Exceeded(interrupted) => crate::Error::Exceeded(interrupted),
            Error::RolledBack => crate::Error::RolledBack,
            Error::ConnectionLost => crate::Error::ConnectionLost,
        };
        query_error(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_on_the_way_through_an_error_of_sea_orm() {
        let through = |error: Error| Error::from(DbErr::from(error));
        assert!(matches!(through(Error::PoolClosed), Error::PoolClosed));
        assert!(matches!(through(Error::RolledBack), Error::RolledBack));
        let lost = through(Error::ConnectionLost);
        assert!(matches!(lost, Error::ConnectionLost) && lost.is_transient(), "{lost:?}");
        assert!(matches!(
            through(Error::Database(DbErr::RecordNotInserted)),
            Error::Database(DbErr::RecordNotInserted)
        ));
    }

    /// As a server wants to have what handles a request.
    fn is_send(_: impl Send) {}

    #[expect(dead_code, reason = "it is enough that it compiles")]
    fn every_future_can_move_between_threads(database: &Database, transaction: &Transaction) {
        use sea_orm::ConnectionTrait;
        is_send(database.begin());
        is_send(database.execute_unprepared(""));
        is_send(database.transaction(async |transaction| {
            transaction.execute_unprepared("").await?;
            let inner = transaction.savepoint(async |transaction| {
                transaction.execute_unprepared("").await?;
                Ok::<_, Error>(())
            });
            inner.await
        }));
        is_send(transaction.savepoint(async |transaction| {
            transaction.execute_unprepared("").await?;
            Ok::<_, Error>(())
        }));
        is_send(async { database.begin().await?.commit().await });
        is_send(async { database.begin().await?.rollback().await });
    }

    #[test]
    fn what_sqlx_says_of_its_own_is_of_the_database() {
        let error = Error::from(query_error(sqlx::Error::WorkerCrashed));
        assert!(matches!(&error, Error::Database(DbErr::Query(_))), "{error:?}");
        assert!(error.is_transient());
    }
}
