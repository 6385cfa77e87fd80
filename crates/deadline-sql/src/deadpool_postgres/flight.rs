//! One statement, and what the server is told with it, [in one flight](crate::postgres::flight).

use deadpool::managed::Object;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt};
use tokio_postgres::Error;

use super::Manager;
use crate::postgres::flight::COMMIT;

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
            Some(Ok(opened)) => {
                let commit = $crate::deadpool_postgres::flight::commit;
                Ok(($crate::lease::Watch::new(running).ended_by(commit), opened))
            }
            Some(Err(error)) => running.end(Some(Err(error))),
            None => running.end(None),
        }
    }};
}

/// One flight of a statement that has been started.
macro_rules! fly {
    ($running:ident, $client:ident => $call:expr, $extent:ident) => {{
        let arming = $crate::postgres::flight::arm(&mut $running);
        let flown = match $running.connection() {
            Some(connection) => {
                let $client = &connection.client;
                // Pinned here, it is a part of the future once, and not once in each that waits for it.
                let call = std::pin::pin!($call);
                $running.race($crate::postgres::flight::$extent(&**connection, arming, call)).await
            }
            None => None,
        };
        $crate::postgres::flight::told(&mut $running, flown)
    }};
}

pub(super) use {fly, open, run};

/// Ends the transaction around a statement whose answer came bit by bit, and was complete. It is sent when it is called.
pub(super) fn commit(connection: &Object<Manager>) -> BoxFuture<'static, Result<(), Error>> {
    match connection.client.simple_query_raw(COMMIT).now_or_never() {
        Some(Ok(answer)) => async move {
            let mut answer = Box::pin(answer);
            while answer.next().await.transpose()?.is_some() {}
            Ok(())
        }
        .boxed(),
        Some(Err(error)) => ready(Err(error)).boxed(),
        // It is sent at the first poll.
        None => ready(Ok(())).boxed(),
    }
}
