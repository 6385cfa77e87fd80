//! The pool.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, BuildError, QueueMode};
use deadpool_postgres::{ManagerConfig, RecyclingMethod};
use http_deadline::Deadline;
use tokio_postgres::Config;

use super::driver::Driver;
use super::{Error, Manager, Session};
use crate::postgres::Tls;
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
    max_size: Option<usize>,
    queue_mode: QueueMode,
    settings: Settings,
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
            max_size: None,
            queue_mode: QueueMode::default(),
            settings: Settings::new(),
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
        let drained = self.engine.drain(limit).await;
        self.engine.adapter().pool.close();
        drained
    }
}

impl<T: Tls> Builder<T> {
    /// The most connections. By default deadpool's: four for each core.
    pub fn max_size(self, max_size: usize) -> Self {
        Self { max_size: Some(max_size), ..self }
    }

    /// Who is next: by default the connection that has been idle the longest.
    pub fn queue_mode(self, queue_mode: QueueMode) -> Self {
        Self { queue_mode, ..self }
    }

    /// What an idle connection is asked before it is given out. By default nothing: it was clean when it came back.
    pub fn recycling_method(self, recycling_method: RecyclingMethod) -> Self {
        Self { manager: ManagerConfig { recycling_method }, ..self }
    }

    /// How statements are stopped.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// The pool. Connections are opened when they are needed.
    ///
    /// # Errors
    ///
    /// What deadpool says of its settings.
    pub fn build(self) -> Result<Pool, BuildError> {
        let Self { config, tls, manager, max_size, queue_mode, settings } = self;
        let mut builder = managed::Pool::builder(Manager::new(config, tls, manager)).queue_mode(queue_mode);
        if let Some(max_size) = max_size {
            builder = builder.max_size(max_size);
        }
        Ok(Pool { engine: Engine::new(Driver { pool: builder.build()? }, settings) })
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("settings", &self.settings)
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
