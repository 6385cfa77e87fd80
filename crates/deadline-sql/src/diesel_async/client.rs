//! One connection of diesel's, and what its server says when it stops a statement.

use std::fmt;

use diesel::connection::CacheSize;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use tokio_postgres::SimpleQueryMessage;

use super::Failure;
use super::instrument::Shared;
use crate::{DriverError, Verdict};

/// Has the server stop a statement at the time that it was told, and say so: in the words that it uses in this session,
/// and without a line in its log.
fn stopped_after(millis: u32) -> String {
    format!(
        "DO $$ BEGIN END $$;
        SET LOCAL statement_timeout = {millis};
        DO $$ BEGIN
            PERFORM pg_sleep(60);
        EXCEPTION WHEN query_canceled THEN
            PERFORM set_config('statement_timeout', '0', true), set_config('deadline_sql.stopped', SQLERRM, true);
        END $$;
        SELECT current_setting('deadline_sql.stopped', true)"
    )
}

/// One is enough, unless the server is so busy that the time is up before it waits for that.
const MILLIS: [u32; 4] = [1, 10, 100, 1_000];

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
    for millis in MILLIS {
        match client.simple_query(&stopped_after(millis)).await {
            Ok(messages) => return messages.iter().find_map(first_column),
            Err(error) if error.verdict() == Verdict::Cancelled => {}
            // It knows no PL/pgSQL.
            Err(_) => break,
        }
    }
    None
}

fn first_column(message: &SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0).filter(|words| !words.is_empty()).map(str::to_owned),
        _ => None,
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}
