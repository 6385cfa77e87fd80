//! The pool.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, QueueMode};
use deadpool_postgres::{ManagerConfig, RecyclingMethod};
use http_deadline::Deadline;
use tokio_postgres::Config;

use super::{BuildError, Driver, Error, Manager, Session};
use crate::postgres::shape::{self, Shape};
use crate::postgres::{Pooler, Tls};
use crate::{Engine, Lease, Settings, Undrained};

/// A pool of connections whose statements end with their request. A clone is the same pool.
///
/// ```no_run
/// use deadline_sql::deadpool_postgres::{Pool, tokio_postgres::NoTls};
///
/// # async fn handler() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::builder("host=localhost user=app".parse()?, NoTls).max_size(8).build()?;
///
/// // Under a `DeadlineLayer`, its deadline holds here, for the wait and for each statement.
/// let mut connection = pool.get().await?;
/// let row = connection.query_one("SELECT now()", &[]).await?;
/// # let _ = row; Ok(()) }
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
    manager: ManagerConfig,
    pooler: Pooler,
    shape: Shape,
}

/// A connection of a [`Pool`]. It goes back when it is dropped, once it is clean.
#[derive(Debug)]
pub struct Connection(Session);

impl Pool {
    /// A pool of connections by this configuration. `tls` is a connector of tokio-postgres: `NoTls`, or one of
    /// `tokio-postgres-rustls`; cancels are sent by it too.
    pub fn builder<T: Tls>(config: Config, tls: T) -> Builder<T> {
        Builder {
            config,
            tls,
            // A connection comes back clean, so there is nothing to ask it.
            manager: ManagerConfig { recycling_method: RecyclingMethod::Fast },
            pooler: Pooler::None,
            shape: Shape::default(),
        }
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

    /// What an idle connection is asked before it is given out. By default nothing: it was clean when it came back.
    pub fn recycling_method(self, recycling_method: RecyclingMethod) -> Self {
        Self { manager: ManagerConfig { recycling_method }, ..self }
    }

    /// By way of a pooler. With [`Pooler::Transaction`] a session is never told anything that would stay behind for
    /// another client of the pooler (R40):
    ///
    /// * Outside of a transaction, a statement that has a deadline is enclosed in one of its own, with `SET LOCAL`: a
    ///   second round trip ends it. What cannot run in a transaction (`VACUUM`, `CREATE DATABASE`) needs a connection
    ///   without a deadline, or [`Session::raw`](super::Session::raw).
    /// * A statement without a deadline is sent as it is. Before PgBouncer 1.21 it must not be a prepared one, nor be
    ///   prepared behind the scenes as [`query`](super::Session::query) does: take
    ///   [`query_typed`](super::Session::query_typed), or a transaction, outside of which a prepared statement does not
    ///   exist then.
    /// * Cancels go to the pooler. [`PoolerVersion::ask`](crate::postgres::PoolerVersion::ask) tells whether it is one
    ///   that survives them.
    /// * There are no startup options, and nobody knows the server's process: [`Session::backend`](super::Session::backend)
    ///   is `None`.
    pub fn pooler(self, pooler: Pooler) -> Self {
        Self { pooler, ..self }
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
    /// [`BuildError::StartupOptions`] where the configuration has `options` and there is a pooler;
    /// [`BuildError::Pool`] with what deadpool says of its settings.
    pub fn build(self) -> Result<Pool, BuildError> {
        let Self { config, tls, manager, pooler, shape } = self;
        if pooler == Pooler::Transaction && config.get_options().is_some_and(|options| !options.trim().is_empty()) {
            return Err(BuildError::StartupOptions);
        }
        let engine = shape.engine(Manager::new(config, tls, manager).pooler(pooler)).map_err(BuildError::Pool)?;
        Ok(Pool { engine })
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
