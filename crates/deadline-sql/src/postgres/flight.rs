//! What the server is told before a statement, in one flight with it.
//!
//! tokio-postgres sends a request when its future is first polled, and the server answers in order: two futures that are
//! polled one after the other before either is waited for share a round trip.
//!
//! Behind a pooler that lends a process for one transaction, a statement is enclosed in one, and that is ended in a
//! second flight: it is known then that the statement went well.

use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::join;

use super::driver::{Driver, Link, Source};
use super::manner::Manner;
use crate::{DriverError, Error, Running, Verdict, statements};

/// Ends a transaction around one statement.
#[cfg(feature = "deadpool-postgres")]
pub(crate) const COMMIT: &str = "COMMIT";

/// What the server is told with a statement.
pub(crate) enum Arming {
    Nothing,
    /// This before it.
    Before(String),
    /// This before it, and `COMMIT` after it.
    Around(String),
}

/// What the server is to be told with the statement.
pub(crate) fn arm<M: Source>(running: &mut Running<'_, Driver<M>>) -> Arming {
    let (limit, in_transaction) = (running.limit(), is_in_transaction(running));
    let Some(connection) = running.connection_mut() else { return Arming::Nothing };
    let backend = connection.backend_mut();
    if let Some(enclosing) = backend.enclosing(limit).filter(|_| !in_transaction) {
        running.encloses();
        return Arming::Around(enclosing);
    }
    backend.telling(limit, in_transaction);
    backend.arming(limit, in_transaction).map_or(Arming::Nothing, Arming::Before)
}

/// The server has answered, well or not.
pub(crate) fn told<M: Source>(running: &mut Running<'_, Driver<M>>, well: bool) {
    // What a session is told within a transaction that somebody has begun by hand is undone with it.
    let in_transaction = is_in_transaction(running) || running.lease().is_suspect();
    let limit = running.limit();
    if let Some(connection) = running.connection_mut().filter(|_| well) {
        connection.backend_mut().told(limit, in_transaction);
    }
}

/// Of a transaction that somebody may have begun by hand, a pooler is not to be told twice: it could end with ours.
fn is_in_transaction<M: Source>(running: &Running<'_, Driver<M>>) -> bool {
    let is_lent = running.connection().is_some_and(|connection| connection.backend().is_lent());
    running.lease().depth() > 0 || (is_lent && running.lease().is_suspect())
}

/// Both are one: where the server was not told the time, whatever the statement says does not count.
pub(crate) async fn armed<L: Link, T>(
    link: &L,
    arming: Arming,
    call: impl Future<Output = Result<T, L::Error>>,
) -> Result<T, L::Error> {
    match arming {
        Arming::Nothing => call.await,
        Arming::Before(arming) => {
            let (told, answer) = in_order(link.run(&arming), call).await;
            let answer = answer?;
            told.map(|()| answer)
        }
        Arming::Around(begin) => {
            // Where it did not begin, the statement says only that.
            let (begun, answer) = in_order(link.run(&begin), call).await;
            begun.and(answer)
        }
    }
}

/// Both in one flight. The answers come in this order, so nobody is woken for the first: that saves a microsecond.
async fn in_order<F: Future, S: Future>(first: F, second: S) -> (F::Output, S::Output) {
    let mut first = pin!(first);
    let sent = first.as_mut().now_or_never();
    let second = second.await;
    match sent {
        Some(answer) => (answer, second),
        None => (first.await, second),
    }
}

/// The same, with what comes after it.
#[cfg(feature = "deadpool-postgres")]
pub(crate) async fn whole<L: Link, T>(
    link: &L,
    arming: Arming,
    call: impl Future<Output = Result<T, L::Error>>,
) -> Result<T, L::Error> {
    let is_enclosed = matches!(arming, Arming::Around(_));
    let answer = armed(link, arming, call).await?;
    if is_enclosed {
        link.run(COMMIT).await?;
    }
    Ok(answer)
}

/// The transaction begins, and its first statement's time with it.
pub(crate) async fn begin<M: Source>(
    mut running: Running<'_, Driver<M>>,
    manner: Manner,
) -> Result<(), Error<M::Error>> {
    let (limit, depth) = (running.limit(), running.lease().depth());
    let begin = match depth {
        0 => manner.begin(),
        depth => format!("SAVEPOINT {}", statements::savepoint(depth)),
    };
    let mut arming = None;
    if let Some(connection) = running.connection_mut() {
        let backend = connection.backend_mut();
        if depth == 0 {
            backend.outside();
        }
        backend.telling(limit, true);
        arming = backend.arming(limit, true);
    }
    // A savepoint comes after the time: it could take some. A transaction is what the time is for.
    let statements = match (arming, depth) {
        (None, _) => begin,
        (Some(arming), 0) => format!("{begin}; {arming}"),
        (Some(arming), _) => format!("{arming}; {begin}"),
    };
    let raced = match running.connection() {
        Some(connection) => running.race(connection.run(&statements)).await,
        None => None,
    };
    running.end(raced)
}

/// Keeps what the innermost transaction did. `false`: a statement in it had failed before, and nothing is kept.
///
/// What goes before it fails in such a transaction, as everything does (25P02). A `COMMIT` does not: it is answered with
/// `ROLLBACK`, and no error.
pub(crate) async fn commit<M: Source>(running: Running<'_, Driver<M>>) -> Result<bool, Error<M::Error>> {
    // The server's own timer does not cover it.
    let mut running = running.untimed();
    let first = match arm(&mut running) {
        Arming::Before(arming) => arming,
        Arming::Nothing | Arming::Around(_) => "SELECT".to_owned(),
    };
    let last = statements::commit(running.lease().depth());
    let raced = match running.connection() {
        Some(connection) => running.race(join(connection.run(&first), connection.run(&last))).await,
        None => None,
    };
    running.end(raced.map(|(first, last)| match first {
        Ok(()) => last.map(|()| true),
        Err(error) if error.verdict() == Verdict::Closed => Err(error),
        Err(_) => Ok(false),
    }))
}
