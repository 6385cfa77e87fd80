//! One connection of diesel's, and what its server says when it stops a statement.

use std::fmt;

use diesel::connection::CacheSize;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use tokio_postgres::SimpleQueryMessage;

use super::Failure;
use super::instrument::Shared;
use crate::Verdict;

/// Has the server stop a statement at the time that it was told, and say so: in the words that it uses in this session,
/// and without a line in its log.
const STOPPED: &str = "SET LOCAL statement_timeout = 1;
    DO $$ BEGIN
        PERFORM pg_sleep(1);
    EXCEPTION WHEN query_canceled THEN
        PERFORM set_config('statement_timeout', '0', true), set_config('deadline_sql.stopped', SQLERRM, true);
    END $$;
    SELECT current_setting('deadline_sql.stopped', true)";

pub(super) struct Client {
    pub(super) connection: AsyncPgConnection,
    /// What this server says when it has stopped a statement at the time that it was told; `None` where it would not
    /// say that.
    stopped: Option<String>,
}

impl Client {
    pub(super) async fn set_up(
        client: tokio_postgres::Client,
        cache: Option<CacheSize>,
        instrumentation: Shared,
    ) -> Result<Self, Failure> {
        let stopped = words(&client).await;
        let mut connection = AsyncPgConnection::try_from(client).await.map_err(Failure::SetUp)?;
        connection.set_instrumentation(instrumentation);
        if let Some(size) = cache {
            connection.set_prepared_statement_cache_size(size);
        }
        Ok(Self { connection, stopped })
    }

    pub(super) async fn batch_execute(&self, statements: &str) -> Result<(), Failure> {
        let executed = SimpleAsyncConnection::batch_execute(&mut &self.connection, statements).await;
        executed.map_err(|error| self.failure(error))
    }

    /// What an error of a statement means.
    pub(super) fn failure(&self, error: Error) -> Failure {
        let verdict = match &error {
            Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection, _) => {
                Verdict::Closed
            }
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Verdict::Transient,
            Error::DatabaseError(DatabaseErrorKind::Unknown, told)
                if self.stopped.as_deref().is_none_or(|stopped| stopped == told.message()) =>
            {
                Verdict::Cancelled
            }
            _ => Verdict::Other,
        };
        Failure::Statement(error, verdict)
    }
}

async fn words(client: &tokio_postgres::Client) -> Option<String> {
    let messages = client.simple_query(STOPPED).await.ok()?;
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).filter(|words| !words.is_empty()).map(str::to_owned),
        _ => None,
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}
