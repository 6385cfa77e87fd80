//! What deadpool makes and looks after.

use std::fmt;
use std::sync::Arc;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel::connection::CacheSize;
use tokio::task::JoinHandle;
use tokio_postgres::Config;

use super::Failure;
use super::client::Client;
use super::instrument::Shared;
use crate::adapter::connecting;
use crate::postgres::{Backend, Dialled, Link, Pooler, Tls, dial};

/// Connections to one database, as deadpool wants to have them.
pub struct Manager {
    config: Config,
    tls: Arc<dyn Tls>,
    cache: Option<CacheSize>,
}

/// A pooled connection. Statements are run by the [`Connection`](super::Connection) that has it.
#[derive(Debug)]
pub struct Pooled {
    pub(super) client: Arc<Client>,
    pub(super) instrumentation: Shared,
    backend: Backend,
    driven: JoinHandle<()>,
}

impl Manager {
    pub(super) fn new(config: Config, tls: impl Tls, cache: Option<CacheSize>) -> Self {
        Self { config, tls: Arc::new(tls), cache }
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Failure;

    async fn create(&self) -> Result<Pooled, Failure> {
        // A pooler that lends a process for a transaction and diesel's prepared statements do not go together.
        let dialled = dial(&self.config, &self.tls, Pooler::None).await;
        let Dialled { client, driven, backend } = dialled.map_err(Failure::Connect)?;
        let instrumentation = Shared::to_default();
        let client = Box::pin(connecting(Client::set_up(client, self.cache, instrumentation.clone()))).await?;
        Ok(Pooled { client: Arc::new(client), instrumentation, backend, driven })
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<Failure> {
        // It came back clean, so there is nothing to ask it.
        if pooled.driven.is_finished() { Err(RecycleError::message("the connection is closed")) } else { Ok(()) }
    }
}

impl Link for Pooled {
    type Error = Failure;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn backend_mut(&mut self) -> &mut Backend {
        &mut self.backend
    }

    async fn run(&self, statements: &str) -> Result<(), Failure> {
        self.client.batch_execute(statements).await
    }

    async fn answered(&self) -> Result<(), Failure> {
        // There is no way to a `Sync` alone: an empty statement is next to it.
        self.client.batch_execute("").await
    }

    fn close(self) {
        // Whoever had it may have a part of it still.
        self.driven.abort();
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("config", &self.config).finish_non_exhaustive()
    }
}
