//! How a connection of sqlx is stopped and brought to rest.

use std::fmt;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Error, Executor, Postgres};
use tokio::runtime::{EnterGuard, Handle};

use super::CancelTicket;
use super::backend::Backend;
use crate::adapter::{AcquireError, Adapter, Drained, Open, connecting};
use crate::{DriverError, Limit, Verdict, statements, timer};

/// How often a limit is lifted, and how long that may take, before the connection is closed instead.
const TRIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(1);

/// The adapter.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(super) pool: PgPool,
    pub(super) beside: PgPool,
    /// sqlx's connections want one where they are dropped.
    pub(super) runtime: Option<Handle>,
}

/// A connection that was taken out of the pool.
pub(crate) struct Held {
    pub(super) connection: PoolConnection<Postgres>,
    pub(super) backend: Backend,
}

impl Driver {
    fn enter(&self) -> Option<EnterGuard<'_>> {
        if Handle::try_current().is_ok() { None } else { self.runtime.as_ref().map(Handle::enter) }
    }
}

impl Adapter for Driver {
    type Connection = Held;
    type Error = Error;
    type Ticket = CancelTicket;

    async fn acquire(&self) -> Result<Held, AcquireError<Error>> {
        let pool = &self.pool;
        // sqlx dials within its pool, unseen: where none is idle, and there is room.
        let dials = pool.num_idle() == 0 && pool.size() < pool.options().get_max_connections();
        let acquired = if dials { connecting(pool.acquire()).await } else { pool.acquire().await };
        match acquired {
            Ok(connection) => Ok(Held { connection, backend: Backend::default() }),
            Err(Error::PoolClosed) => Err(AcquireError::Closed),
            Err(error) => Err(AcquireError::Connect(error)),
        }
    }

    fn ticket(&self, held: &Held) -> Option<CancelTicket> {
        Some(CancelTicket { beside: self.beside.clone(), process: held.backend.process() })
    }

    fn backend(&self, held: &Held) -> Option<u32> {
        held.backend.pid()
    }

    async fn drain(&self, held: &mut Held) -> Drained {
        drained(drain(&mut held.connection).await)
    }

    async fn roll_back(&self, held: &mut Held, open: &Open) -> Drained {
        let ended = held.connection.execute(AssertSqlSafe(statements::roll_back(open))).await;
        if *open == Open::Transaction {
            held.backend.outside();
        }
        drained(ended.map(|_| ()))
    }

    fn release(&self, held: Held) {
        let _runtime = self.enter();
        match held.backend.restoring() {
            None => drop(held),
            Some(restoring) => match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(give_back(Restored(Some(held)), restoring))),
                Err(_) => self.discard(held),
            },
        }
    }

    fn discard(&self, held: Held) {
        let _runtime = self.enter();
        drop(held.connection.detach());
    }
}

/// A connection whose session has been told a limit. Closed unless that was taken back.
struct Restored(Option<Held>);

impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            drop(held.connection.detach());
        }
    }
}

/// Takes back what the session was told. A limit of a millisecond can stop the very statement that lifts it.
async fn give_back(mut restored: Restored, restoring: String) {
    let Some(held) = &mut restored.0 else { return };
    for _ in 0..TRIES {
        let lifting = held.connection.execute(AssertSqlSafe(restoring.clone()));
        match timer::within(PATIENCE, lifting).await {
            Some(Ok(_)) => return drop(restored.0.take()),
            Some(Err(error)) if error.verdict() == Verdict::Cancelled => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Waits until everything that was sent has been answered. What a statement failed with that nobody waited for says
/// nothing about the next; sqlx would give it to that one.
async fn drain(connection: &mut PgConnection) -> Result<(), Error> {
    loop {
        match connection.ping().await {
            Err(Error::Database(_)) => {}
            answered => return answered,
        }
    }
}

fn drained(answered: Result<(), Error>) -> Drained {
    match answered {
        Ok(()) => Drained::Clean,
        Err(_) => Drained::Broken,
    }
}

impl Held {
    /// Tells the server how long the next statement may take.
    pub(super) async fn tell(&mut self, limit: Limit, in_transaction: bool) -> Result<(), Error> {
        let Some(arming) = self.backend.telling(limit, in_transaction) else { return Ok(()) };
        match self.send(arming, limit, in_transaction).await {
            // The transaction has failed. Nothing runs in it but what ends it, and that may.
            Err(error) if error.verdict() == Verdict::Aborted => Ok(()),
            answered => answered,
        }
    }

    /// Sends statements with what [`telling`](Backend::telling) said among them.
    pub(super) async fn send(&mut self, statements: String, limit: Limit, in_transaction: bool) -> Result<(), Error> {
        let answer = self.connection.fetch_optional(AssertSqlSafe(statements)).await?;
        self.backend.told(limit, in_transaction, answer.as_ref());
        Ok(())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("backend", &self.backend).finish_non_exhaustive()
    }
}
