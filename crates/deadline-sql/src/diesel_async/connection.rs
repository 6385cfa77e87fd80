//! A connection, as diesel-async wants to have it.

use std::fmt;
use std::sync::Arc;

use diesel::connection::{CacheSize, Instrumentation, TransactionManagerStatus};
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{AsQuery, QueryBuilder, QueryFragment, QueryId};
use diesel::result::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};

use super::client::Client;
use super::instrument::Shared;
use super::rows::{Row, Rows};
use super::{Driver, Error, Failure, Pool, Transactions};
use crate::postgres::flight;
use crate::{Lease, Running, statements};

/// A connection of a [`Pool`]. It goes back when it is dropped, once it is clean.
///
/// A statement may be dropped at any time, and is stopped then; what it did is unknown, as with any statement whose
/// answer nobody saw. At the deadline it fails at once, and is stopped in the background: the next one waits for that.
///
/// The cache of prepared statements is set by [`Builder::statement_cache`](super::Builder::statement_cache) for all
/// connections of a pool; `set_prepared_statement_cache_size` changes nothing.
pub struct Connection {
    pub(super) lease: Lease<Driver>,
    /// The connection that the lease has, also while that is being brought to rest.
    pub(super) client: Arc<Client>,
    pub(super) status: TransactionManagerStatus,
    instrumentation: Shared,
}

impl Connection {
    pub(super) fn new(lease: Lease<Driver>) -> Result<Self, Error> {
        let pooled = lease.connection().ok_or(Error::ConnectionLost)?;
        let (client, instrumentation) = (Arc::clone(&pooled.client), pooled.instrumentation.clone());
        Ok(Self { lease, client, status: TransactionManagerStatus::default(), instrumentation })
    }

    /// The server's process for this connection, for a log; `None` while a statement is being stopped.
    #[must_use]
    pub fn backend(&self) -> Option<u32> {
        use crate::postgres::Link;
        self.lease.connection().and_then(|pooled| pooled.backend().pid())
    }

    /// Who opens a transaction by hand does not leave it to the next one.
    fn suspect<T: QueryFragment<Pg> + QueryId>(&mut self, query: &T) {
        // What diesel has built is known by its type, or may be cached; what was written by hand neither.
        if self.lease.depth() == 0 && T::query_id().is_none() && !query.is_safe_to_cache_prepared(&Pg).unwrap_or(false)
        {
            let mut written = PgQueryBuilder::default();
            if query.to_sql(&mut written, &Pg).is_ok() {
                self.suspect_text(&written.finish());
            }
        }
    }

    fn suspect_text(&mut self, statements: &str) {
        if self.lease.depth() == 0 && statements::may_begin(statements) {
            self.lease.suspect();
        }
    }
}

/// One flight: what the server is told, and a statement.
async fn fly<T>(
    running: &mut Running<'_, Driver>,
    call: impl Future<Output = Result<T, Failure>>,
) -> Option<Result<T, Failure>> {
    let arming = flight::arm(running);
    let flown = match running.connection() {
        Some(pooled) => running.race(flight::armed(&**pooled, arming, call)).await,
        None => None,
    };
    flight::told(running, flown)
}

impl SimpleAsyncConnection for Connection {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.suspect_text(query);
        let mut running = self.lease.start().await?;
        let raced = fly(&mut running, self.client.batch_execute(query)).await;
        Ok(running.end(raced)?)
    }
}

impl AsyncConnectionCore for Connection {
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Rows<'conn>>>;
    type Stream<'conn, 'query> = Rows<'conn>;
    type Row<'conn, 'query> = Row<'static, 'static>;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        let query = source.as_query();
        self.suspect(&query);
        let Self { lease, client, .. } = self;
        let client: &Client = client;
        // The query is made text here, because it may not be `Send`; it is sent when this is first polled.
        let call = AsyncConnectionCore::load(&mut &client.connection, query);
        async move {
            let mut running = lease.start().await?;
            match fly(&mut running, call.map_err(|error| client.failure(error))).await {
                Some(Ok(rows)) => Ok(Rows::new(running, client, rows)),
                Some(Err(error)) => Ok(running.end(Some(Err(error)))?),
                None => Ok(running.end(None)?),
            }
        }
        .boxed()
    }

    fn execute_returning_count<'conn, 'query, T>(&'conn mut self, source: T) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        self.suspect(&source);
        let Self { lease, client, .. } = self;
        let client: &Client = client;
        let call = AsyncConnectionCore::execute_returning_count(&mut &client.connection, source);
        async move {
            let mut running = lease.start().await?;
            let raced = fly(&mut running, call.map_err(|error| client.failure(error))).await;
            Ok(running.end(raced)?)
        }
        .boxed()
    }
}

impl AsyncConnection for Connection {
    type TransactionManager = Transactions;

    /// The only connection of a [`Pool`] of its own, without TLS.
    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        let refused = |error: &dyn fmt::Display| ConnectionError::BadConnection(error.to_string());
        let config = database_url
            .parse()
            .map_err(|error: tokio_postgres::Error| ConnectionError::InvalidConnectionUrl(error.to_string()))?;
        let pool = Pool::builder(config, tokio_postgres::NoTls).max_size(1).build().map_err(|error| refused(&error))?;
        pool.get().await.map_err(|error| match error {
            Error::Unavailable(failure) => refused(&failure),
            error => refused(&error),
        })
    }

    fn transaction_state(&mut self) -> &mut TransactionManagerStatus {
        self.counted()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation.set(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, _: CacheSize) {}
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("lease", &self.lease).finish_non_exhaustive()
    }
}
