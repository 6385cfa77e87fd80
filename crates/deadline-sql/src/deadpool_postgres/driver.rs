//! How a connection of tokio-postgres is stopped and brought to rest.

use deadpool::managed::{Object, Pool, PoolError};
use tokio_postgres::Error;

use super::Manager;
use super::text;
use crate::adapter::{AcquireError, Adapter, Drained, Open};
use crate::postgres::CancelTicket;

/// The adapter.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(super) pool: Pool<Manager>,
}

impl Adapter for Driver {
    type Connection = Object<Manager>;
    type Error = Error;
    type Ticket = CancelTicket;

    async fn acquire(&self) -> Result<Object<Manager>, AcquireError<Error>> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => AcquireError::Connect(error),
            // There are no hooks, and no limits on time but ours.
            _ => AcquireError::Closed,
        })
    }

    fn ticket(&self, connection: &Object<Manager>) -> Option<CancelTicket> {
        connection.backend.ticket()
    }

    fn backend(&self, connection: &Object<Manager>) -> Option<u32> {
        connection.backend.pid()
    }

    async fn drain(&self, connection: &mut Object<Manager>) -> Drained {
        // A `Sync`: it runs nothing, and its answer comes after all others.
        drained(connection.client.check_connection().await)
    }

    async fn roll_back(&self, connection: &mut Object<Manager>, open: &Open) -> Drained {
        let ended = drained(connection.client.batch_execute(&text::roll_back(open)).await);
        if *open == Open::Transaction {
            connection.backend.outside();
        }
        ended
    }

    fn release(&self, connection: Object<Manager>) {
        drop(connection);
    }

    fn discard(&self, connection: Object<Manager>) {
        drop(Object::take(connection));
    }
}

fn drained(answered: Result<(), Error>) -> Drained {
    match answered {
        Ok(()) => Drained::Clean,
        Err(_) => Drained::Broken,
    }
}
