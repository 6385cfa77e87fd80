//! The pool.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use http_deadline::Deadline;
use sqlx::postgres::PgPool;
use tokio::runtime::Handle;

use super::cancel::beside;
use super::driver::Driver;
use super::{Error, Session};
use crate::{Engine, Lease, Settings, Undrained, timer};

/// A pool of connections whose statements end with their request. A clone is the same pool.
///
/// ```no_run
/// use deadline_sql::sqlx::{Error, Pool, recommended};
/// use sqlx::postgres::PgPoolOptions;
///
/// # async fn handler() -> Result<(), Error> {
/// let pool = Pool::new(recommended(PgPoolOptions::new()).connect("postgres://app@localhost/app").await?);
///
/// // Under a `DeadlineLayer`, its deadline holds here, for the wait and for each statement.
/// let mut connection = pool.get().await?;
/// let (number,): (i64,) = sqlx::query_as("SELECT $1").bind(150_i64).fetch_one(&mut *connection).await?;
/// # let _ = number; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    engine: Arc<Engine<Driver>>,
}

/// A connection of a [`Pool`]. It goes back when it is dropped, once it is clean.
#[derive(Debug)]
pub struct Connection(Session);

impl Pool {
    /// Statements on the connections of this pool, which is best made with [`recommended`](super::recommended) options.
    /// Up to two connections more are opened for cancels, as the same role.
    ///
    /// It has to be called within a runtime.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::with_settings(pool, Settings::new())
    }

    /// The same, stopped by these settings.
    #[must_use]
    pub fn with_settings(pool: PgPool, settings: Settings) -> Self {
        let beside = beside(&pool, &settings);
        Self { engine: Engine::new(Driver { pool, beside, runtime: Handle::try_current().ok() }, settings) }
    }

    /// Waits for a connection, at most to the ambient deadline, under which its statements run too.
    ///
    /// Cancel-safe: dropping the future takes nothing out of the pool. The wait is also bounded by the pool's own
    /// `acquire_timeout`. sqlx does not tell when it dials: stage `connect` is assumed where the pool has no idle
    /// connection, and room for another.
    ///
    /// # Errors
    ///
    /// [`Error::Exceeded`](crate::Error::Exceeded) of stage `unsent`, `pool` or `connect`;
    /// [`Error::Unavailable`](crate::Error::Unavailable) and [`Error::PoolClosed`](crate::Error::PoolClosed).
    pub async fn get(&self) -> Result<Connection, Error> {
        Lease::acquire(&self.engine, None).await.map(|lease| Connection(Session::new(lease)))
    }

    /// The same to this deadline, for the wait and for every statement; or the ambient one, where that is sooner.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn get_before(&self, deadline: Deadline) -> Result<Connection, Error> {
        Lease::acquire(&self.engine, Some(deadline)).await.map(|lease| Connection(Session::new(lease)))
    }

    /// sqlx's own pool, whose statements nothing stops.
    #[must_use]
    pub fn inner(&self) -> &PgPool {
        &self.engine.adapter().pool
    }

    /// Gives out no more connections, waits until those that are out are back, and closes them all, also sqlx's own
    /// pool: for the end of the process.
    ///
    /// # Errors
    ///
    /// How many are still out after `limit`. They are closed with the runtime.
    pub async fn drain(&self, limit: Duration) -> Result<(), Undrained> {
        let begun = timer::now();
        let drained = self.engine.drain(limit).await;
        let left = limit.saturating_sub(timer::now().saturating_duration_since(begun));
        let Driver { pool, beside, .. } = self.engine.adapter();
        // It gives out none from now on; it is the farewells that take a moment. Who is still out may need a cancel.
        timer::within(left, pool.close()).await;
        if drained.is_ok() {
            timer::within(left, beside.close()).await;
        }
        drained
    }
}

impl Deref for Connection {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.0
    }
}
