//! The pool.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, BuildError, QueueMode};
use diesel::connection::CacheSize;
use http_deadline::Deadline;
use tokio_postgres::Config;

use super::{Connection, Driver, Error, Manager};
use crate::postgres::Tls;
use crate::postgres::shape::{self, Shape};
use crate::{Engine, Lease, Settings, Undrained};

/// A pool of connections whose statements end with their request. A clone is the same pool.
///
/// ```no_run
/// use deadline_sql::diesel_async::{Pool, interrupted};
/// use diesel::prelude::*;
/// use diesel_async::RunQueryDsl;
/// use tokio_postgres::NoTls;
///
/// diesel::table! {
///     users (id) {
///         id -> Integer,
///         name -> Text,
///     }
/// }
///
/// # async fn handler() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::builder("host=localhost user=app".parse()?, NoTls).max_size(8).build()?;
///
/// // Under a `DeadlineLayer`, its deadline holds here, for the wait and for each statement.
/// let mut connection = pool.get().await?;
/// let names = users::table.select(users::name).load::<String>(&mut connection).await;
/// if let Some(interrupted) = names.as_ref().err().and_then(interrupted) {
///     println!("stopped by {}, outcome {}", interrupted.stopped(), interrupted.outcome());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    engine: Arc<Engine<Driver>>,
}

/// What a [`Pool`] is made of.
#[must_use = "a builder does nothing by itself"]
pub struct Builder<T> {
    config: Config,
    tls: T,
    cache: Option<CacheSize>,
    shape: Shape,
}

impl Pool {
    /// A pool of connections by this configuration. `tls` is a connector of tokio-postgres: `NoTls`, or one of
    /// `tokio-postgres-rustls`; cancels are sent by it too.
    pub fn builder<T: Tls>(config: Config, tls: T) -> Builder<T> {
        Builder { config, tls, cache: None, shape: Shape::default() }
    }

    /// Waits for a connection, at most to the ambient deadline, under which its statements run too.
    ///
    /// Cancel-safe: dropping the future takes nothing out of the pool.
    ///
    /// # Errors
    ///
    /// [`Error::Exceeded`](crate::Error::Exceeded) of stage `unsent`, `pool` or `connect`;
    /// [`Error::Unavailable`](crate::Error::Unavailable) and [`Error::PoolClosed`](crate::Error::PoolClosed).
    pub async fn get(&self) -> Result<Connection, Error> {
        Connection::new(Lease::acquire(&self.engine, None).await?)
    }

    /// The same to this deadline, for the wait and for every statement; or the ambient one, where that is sooner.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn get_before(&self, deadline: Deadline) -> Result<Connection, Error> {
        Connection::new(Lease::acquire(&self.engine, Some(deadline)).await?)
    }

    /// How many connections there are, how many are idle, and how many callers wait for one.
    #[must_use]
    pub fn status(&self) -> managed::Status {
        self.engine.adapter().pool.status()
    }

    /// Gives out no more connections, and waits until those that are out are back: for the end of the process.
    ///
    /// # Errors
    ///
    /// How many are still out after `limit`. They are closed with the runtime.
    pub async fn drain(&self, limit: Duration) -> Result<(), Undrained> {
        shape::drain(&self.engine, limit).await
    }
}

impl<T: Tls> Builder<T> {
    /// The most connections. By default deadpool's: four for each core.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.shape.max_size = Some(max_size);
        self
    }

    /// Who is next: by default the connection that has been idle the longest.
    pub fn queue_mode(mut self, queue_mode: QueueMode) -> Self {
        self.shape.queue_mode = queue_mode;
        self
    }

    /// Which prepared statements its connections keep. By default diesel's: all that may be kept.
    pub fn statement_cache(mut self, size: CacheSize) -> Self {
        self.cache = Some(size);
        self
    }

    /// How statements are stopped.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.shape.settings = settings;
        self
    }

    /// The pool. Connections are opened when they are needed.
    ///
    /// # Errors
    ///
    /// What deadpool says of its settings.
    pub fn build(self) -> Result<Pool, BuildError> {
        let Self { config, tls, cache, shape } = self;
        Ok(Pool { engine: shape.engine(Manager::new(config, tls, cache))? })
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}
