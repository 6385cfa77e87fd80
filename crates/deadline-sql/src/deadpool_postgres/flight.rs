//! One statement, and what the server is told before it, in one flight.
//!
//! tokio-postgres sends a request when its future is first polled, and the server answers in order: two futures that are
//! polled one after the other before either is waited for share a round trip.

use futures_util::future::join;
use tokio_postgres::{Client, Error};

use super::driver::Driver;
use crate::Running;

/// The statement of a method, from its start to its answer.
macro_rules! run {
    ($session:expr, $client:ident => $call:expr) => {{
        let mut running = $session.lease.start().await?;
        let raced = $crate::deadpool_postgres::flight::fly!(running, $client => $call);
        running.end(raced)
    }};
}

/// The statement of a method whose answer comes bit by bit: it is still running then.
macro_rules! open {
    ($session:expr, $client:ident => $call:expr) => {{
        let mut running = $session.lease.start().await?;
        match $crate::deadpool_postgres::flight::fly!(running, $client => $call) {
            Some(Ok(opened)) => Ok(($crate::deadpool_postgres::watch::Watch::new(running), opened)),
            Some(Err(error)) => running.end(Some(Err(error))),
            None => running.end(None),
        }
    }};
}

/// One flight of a statement that has been started.
macro_rules! fly {
    ($running:ident, $client:ident => $call:expr) => {{
        let arming = $crate::deadpool_postgres::flight::arm(&mut $running);
        let raced = match $running.connection() {
            Some(connection) => {
                let $client = &connection.client;
                $running.race($crate::deadpool_postgres::flight::armed($client, arming, $call)).await
            }
            None => None,
        };
        $crate::deadpool_postgres::flight::told(&mut $running, raced.as_ref().is_some_and(Result::is_ok));
        raced
    }};
}

pub(super) use {fly, open, run};

/// What the server is to be told before the statement.
pub(super) fn arm(running: &mut Running<'_, Driver>) -> Option<String> {
    let (limit, in_transaction) = (running.limit(), running.lease().depth() > 0);
    let backend = &mut running.connection_mut()?.backend;
    backend.telling(limit, in_transaction);
    backend.arming(limit, in_transaction)
}

/// The server has answered, well or not.
pub(super) fn told(running: &mut Running<'_, Driver>, well: bool) {
    let (limit, in_transaction) = (running.limit(), running.lease().depth() > 0);
    if let Some(connection) = running.connection_mut().filter(|_| well) {
        connection.backend.told(limit, in_transaction);
    }
}

/// Both are one: where the server was not told the time, whatever the statement says does not count.
pub(super) async fn armed<T>(
    client: &Client,
    arming: Option<String>,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(arming) = arming else { return call.await };
    let (told, answer) = join(client.batch_execute(&arming), call).await;
    let answer = answer?;
    told.map(|()| answer)
}
