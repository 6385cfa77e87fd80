//! One statement, and what the server is told before it, in one flight.
//!
//! tokio-postgres sends a request when its future is first polled, and the server answers in order: two futures that are
//! polled one after the other before either is waited for share a round trip.

//!
//! Behind a pooler that lends a process for one transaction, a statement is enclosed in one, and that is ended in a
//! second flight: it is known then that the statement went well.

use futures_util::FutureExt;
use futures_util::future::join;
use tokio_postgres::{Client, Error, SimpleQueryStream};

use super::driver::Driver;
use crate::Running;

const COMMIT: &str = "COMMIT";

/// The statement of a method, from its start to its answer.
macro_rules! run {
    ($session:expr, $client:ident => $call:expr) => {{
        let mut running = $session.lease.start().await?;
        let raced = $crate::deadpool_postgres::flight::fly!(running, $client => $call, whole);
        running.end(raced)
    }};
}

/// The statement of a method whose answer comes bit by bit: it is still running then.
macro_rules! open {
    ($session:expr, $client:ident => $call:expr) => {{
        let mut running = $session.lease.start().await?;
        match $crate::deadpool_postgres::flight::fly!(running, $client => $call, armed) {
            Some(Ok(opened)) => Ok(($crate::deadpool_postgres::watch::Watch::new(running), opened)),
            Some(Err(error)) => running.end(Some(Err(error))),
            None => running.end(None),
        }
    }};
}

/// One flight of a statement that has been started.
macro_rules! fly {
    ($running:ident, $client:ident => $call:expr, $extent:ident) => {{
        let arming = $crate::deadpool_postgres::flight::arm(&mut $running);
        let raced = match $running.connection() {
            Some(connection) => {
                let $client = &connection.client;
                $running.race($crate::deadpool_postgres::flight::$extent($client, arming, $call)).await
            }
            None => None,
        };
        $crate::deadpool_postgres::flight::told(&mut $running, raced.as_ref().is_some_and(Result::is_ok));
        raced
    }};
}

pub(super) use {fly, open, run};

/// What the server is told with a statement.
pub(super) enum Arming {
    Nothing,
    /// This before it.
    Before(String),
    /// This before it, and `COMMIT` after it.
    Around(String),
}

/// What the server is to be told with the statement.
pub(super) fn arm(running: &mut Running<'_, Driver>) -> Arming {
    let (limit, in_transaction) = (running.limit(), is_in_transaction(running));
    let Some(connection) = running.connection_mut() else { return Arming::Nothing };
    if let Some(enclosing) = connection.backend.enclosing(limit).filter(|_| !in_transaction) {
        running.encloses();
        return Arming::Around(enclosing);
    }
    connection.backend.telling(limit, in_transaction);
    connection.backend.arming(limit, in_transaction).map_or(Arming::Nothing, Arming::Before)
}

/// The server has answered, well or not.
pub(super) fn told(running: &mut Running<'_, Driver>, well: bool) {
    let (limit, in_transaction) = (running.limit(), is_in_transaction(running));
    if let Some(connection) = running.connection_mut().filter(|_| well) {
        connection.backend.told(limit, in_transaction);
    }
}

/// Of a transaction that somebody may have begun by hand, a pooler is not to be told twice: it could end with ours.
fn is_in_transaction(running: &Running<'_, Driver>) -> bool {
    let is_lent = running.connection().is_some_and(|connection| connection.backend.is_lent());
    running.lease().depth() > 0 || (is_lent && running.lease().is_suspect())
}

/// Both are one: where the server was not told the time, whatever the statement says does not count.
pub(super) async fn armed<T>(
    client: &Client,
    arming: Arming,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match arming {
        Arming::Nothing => call.await,
        Arming::Before(arming) => {
            let (told, answer) = join(client.batch_execute(&arming), call).await;
            let answer = answer?;
            told.map(|()| answer)
        }
        Arming::Around(begin) => {
            // Where it did not begin, the statement says only that.
            let (begun, answer) = join(client.batch_execute(&begin), call).await;
            begun.and(answer)
        }
    }
}

/// The same, with what comes after it.
pub(super) async fn whole<T>(
    client: &Client,
    arming: Arming,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let is_enclosed = matches!(arming, Arming::Around(_));
    let answer = armed(client, arming, call).await?;
    if is_enclosed {
        client.batch_execute(COMMIT).await?;
    }
    Ok(answer)
}

/// Ends the transaction around a statement whose answer came bit by bit, and was complete. It is sent when it is called.
pub(super) fn commit(client: &Client) -> Option<Result<SimpleQueryStream, Error>> {
    client.simple_query_raw(COMMIT).now_or_never()
}
