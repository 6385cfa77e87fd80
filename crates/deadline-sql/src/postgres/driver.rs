//! How a connection on tokio-postgres is stopped and brought to rest, whoever pools it for whom.

use deadpool::managed::{Manager, Object, Pool, PoolError};

use super::backend::Backend;
use super::cancel::CancelTicket;
use super::flight;
use crate::adapter::{AcquireError, Adapter, Drained, Open};
use crate::{DriverError, statements};

/// A connection in a pool.
pub(crate) trait Link: Send + Sync + 'static {
    type Error: DriverError;

    fn backend(&self) -> &Backend;

    fn backend_mut(&mut self) -> &mut Backend;

    /// Runs statements of ours, in one message. It is sent when this is first polled.
    fn run(&self, statements: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Runs nothing, and is answered after everything else.
    fn answered(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Closes it, also where somebody still has a part of it.
    fn close(self);
}

/// What makes them.
pub(crate) trait Source:
    Manager<Type: Link<Error = <Self as Manager>::Error>, Error: DriverError> + 'static
{
}

impl<M> Source for M where M: Manager<Type: Link<Error = M::Error>, Error: DriverError> + 'static {}

/// The adapter.
pub(crate) struct Driver<M: Manager> {
    pub(crate) pool: Pool<M>,
}

impl<M: Source> Adapter for Driver<M> {
    type Connection = Object<M>;
    type Error = M::Error;
    type Ticket = CancelTicket;

    async fn acquire(&self) -> Result<Object<M>, AcquireError<M::Error>> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => AcquireError::Connect(error),
            // There are no hooks, and no limits on time but ours.
            _ => AcquireError::Closed,
        })
    }

    fn ticket(&self, connection: &Object<M>) -> Option<CancelTicket> {
        connection.backend().ticket()
    }

    fn backend(&self, connection: &Object<M>) -> Option<u32> {
        connection.backend().pid()
    }

    async fn drain(&self, connection: &mut Object<M>) -> Drained {
        drained(connection.answered().await)
    }

    async fn roll_back(&self, connection: &mut Object<M>, open: &Open) -> Drained {
        let ended = drained(flight::persistently(&**connection, &statements::roll_back(open)).await);
        if *open == Open::Transaction {
            connection.backend_mut().outside();
        }
        ended
    }

    fn release(&self, connection: Object<M>) {
        drop(connection);
    }

    fn discard(&self, connection: Object<M>) {
        Object::take(connection).close();
    }
}

fn drained<E>(answered: Result<(), E>) -> Drained {
    match answered {
        Ok(()) => Drained::Clean,
        Err(_) => Drained::Broken,
    }
}
