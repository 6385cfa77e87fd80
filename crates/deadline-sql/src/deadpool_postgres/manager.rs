//! What deadpool makes and looks after.

use std::fmt;
use std::sync::Arc;

use deadpool::managed::{self, Metrics, RecycleResult};
use deadpool_postgres::{ClientWrapper, Connect, ManagerConfig};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};

use super::prepared::Prepared;
use crate::postgres::{Backend, Dialled, Link, Pooler, Tls, dial};

/// Connections to one database, as deadpool wants to have them.
pub struct Manager {
    config: Config,
    tls: Arc<dyn Tls>,
    pooler: Pooler,
    /// deadpool-postgres's own, for its ways to look after a connection.
    inner: deadpool_postgres::Manager,
}

/// A pooled connection. Statements are run by the [`Session`](super::Session) that has it.
#[derive(Debug)]
pub struct Pooled {
    pub(super) client: ClientWrapper,
    pub(super) backend: Backend,
    pub(super) prepared: Prepared,
}

impl Manager {
    /// Connections by this configuration, in the manner of `deadpool_postgres::Manager::from_config`.
    #[must_use]
    pub fn new(config: Config, tls: impl Tls, manager: ManagerConfig) -> Self {
        let tls: Arc<dyn Tls> = Arc::new(tls);
        let connect = Dialler(Arc::clone(&tls));
        let inner = deadpool_postgres::Manager::from_connect(config.clone(), connect, manager);
        Self { inner, config, tls, pooler: Pooler::None }
    }

    /// The same by way of a pooler.
    #[must_use]
    pub fn pooler(self, pooler: Pooler) -> Self {
        Self { pooler, ..self }
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        let Dialled { client, driven, backend } = dial(&self.config, &self.tls, self.pooler).await?;
        Ok(Pooled { client: ClientWrapper::new(client, driven), backend, prepared: Prepared::default() })
    }

    async fn recycle(&self, pooled: &mut Pooled, metrics: &Metrics) -> RecycleResult<Error> {
        managed::Manager::recycle(&self.inner, &mut pooled.client, metrics).await
    }
}

impl Link for Pooled {
    type Error = Error;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn backend_mut(&mut self) -> &mut Backend {
        &mut self.backend
    }

    async fn run(&self, statements: &str) -> Result<(), Error> {
        self.client.batch_execute(statements).await
    }

    async fn answered(&self) -> Result<(), Error> {
        // A `Sync`.
        self.client.check_connection().await
    }

    fn close(self) {
        drop(self.client);
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What deadpool-postgres would dial with. Its manager is asked for nothing but to look after connections.
struct Dialler(Arc<dyn Tls>);

impl Connect for Dialler {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let config = config.clone();
        async move { self.0.connect(&config).await }.boxed()
    }
}
