//! What the server is told before a statement, in one flight with it.
//!
//! tokio-postgres sends a request when its future is first polled, and the server answers in order: two futures that are
//! polled one after the other before either is waited for share a round trip.
//!
//! A session may still have the limit of the statement before, and what is told next runs under that. Where it is so
//! short that it could stop even this, it is lifted first, in a flight of its own.
//!
//! Behind a pooler that lends a process for one transaction, a statement is enclosed in one, and that is ended in a
//! second flight: it is known then that the statement went well.

use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::join;

use super::backend::Backend;
use super::driver::{Driver, Link, Source};
use super::manner::Manner;
use crate::{DriverError, Error, Running, Verdict, statements};

/// How often what ends something is sent, where it was stopped itself.
const TRIES: usize = 5;

/// Ends a transaction around one statement.
#[cfg(feature = "deadpool-postgres")]
pub(crate) const COMMIT: &str = "COMMIT";

/// What the server is told with a statement.
pub(crate) enum Arming {
    Nothing,
    /// This before it.
    Before(String),
    /// This before all, by itself, and that before it.
    Lifted(&'static str, String),
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
    let lifting = lifting(backend).filter(|_| !in_transaction);
    backend.telling(limit, in_transaction);
    match (lifting, backend.arming(limit, in_transaction)) {
        (_, None) => Arming::Nothing,
        (None, Some(arming)) => Arming::Before(arming),
        (Some(lifting), Some(arming)) => Arming::Lifted(lifting, arming),
    }
}

/// What lifts a limit that is too short to tell anything under it.
fn lifting(backend: &Backend) -> Option<&'static str> {
    backend.disarming().filter(|_| backend.is_short())
}

/// What the server has answered to a statement, and whether it has taken what it was told before.
pub(crate) struct Flown<T, E> {
    told: bool,
    answer: Result<T, E>,
}

/// The answer, once it is known what the server was told.
pub(crate) fn told<M: Source, T>(
    running: &mut Running<'_, Driver<M>>,
    flown: Option<Flown<T, M::Error>>,
) -> Option<Result<T, M::Error>> {
    let Flown { told, answer } = flown?;
    // What a session is told within a transaction that somebody has begun by hand is undone with it.
    let in_transaction = is_in_transaction(running) || running.lease().is_suspect();
    let limit = running.limit();
    if let Some(connection) = running.connection_mut().filter(|_| told) {
        connection.backend_mut().told(limit, in_transaction);
    }
    Some(answer)
}

/// Of a transaction that somebody may have begun by hand, a pooler is not to be told twice: it could end with ours.
fn is_in_transaction<M: Source>(running: &Running<'_, Driver<M>>) -> bool {
    let is_lent = running.connection().is_some_and(|connection| connection.backend().is_lent());
    running.lease().depth() > 0 || (is_lent && running.lease().is_suspect())
}

/// What the statement says counts, also where the server was not told the time: then it is stopped by a cancel.
pub(crate) async fn armed<L: Link, T>(
    link: &L,
    arming: Arming,
    call: impl Future<Output = Result<T, L::Error>>,
) -> Flown<T, L::Error> {
    let arming = match arming {
        Arming::Nothing => return Flown { told: false, answer: call.await },
        Arming::Around(begin) => {
            // Where it did not begin, the statement says only that.
            let (begun, answer) = in_order(link.run(&begin), call).await;
            return Flown { told: false, answer: begun.and(answer) };
        }
        Arming::Before(arming) => arming,
        Arming::Lifted(lifting, arming) => {
            // What is wrong with the connection, the statement says too. Seldom: it is not to be a part of each flight.
            let _ = Box::pin(persistently(link, lifting)).await;
            arming
        }
    };
    let (told, answer) = in_order(link.run(&arming), call).await;
    Flown { told: told.is_ok(), answer }
}

/// Runs what ends or takes back something. The very limit that it lifts can stop it, and a cancel of somebody else's.
pub(crate) async fn persistently<L: Link>(link: &L, statements: &str) -> Result<(), L::Error> {
    for _ in 1..TRIES {
        match link.run(statements).await {
            Err(error) if error.verdict() == Verdict::Cancelled => {}
            answered => return answered,
        }
    }
    link.run(statements).await
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
) -> Flown<T, L::Error> {
    let is_enclosed = matches!(arming, Arming::Around(_));
    let Flown { told, mut answer } = armed(link, arming, call).await;
    if is_enclosed && answer.is_ok() {
        answer = link.run(COMMIT).await.and(answer);
    }
    Flown { told, answer }
}

/// The transaction begins, and its first statement's time with it.
pub(crate) async fn begin<M: Source>(
    mut running: Running<'_, Driver<M>>,
    manner: Manner,
) -> Result<(), Error<M::Error>> {
    let (limit, depth, suspect) = (running.limit(), running.lease().depth(), running.lease().is_suspect());
    let begin = match depth {
        0 => manner.begin(),
        depth => format!("SAVEPOINT {}", statements::savepoint(depth)),
    };
    let (mut arming, mut lifting) = (None, None);
    if let Some(connection) = running.connection_mut() {
        let backend = connection.backend_mut();
        if depth == 0 {
            backend.outside();
            lifting = self::lifting(backend).filter(|_| !suspect);
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
        Some(connection) => running.race(lifted(&**connection, lifting, &statements)).await,
        None => None,
    };
    let raced = raced.map(|Flown { told, answer }| {
        if let Some(connection) = running.connection_mut().filter(|_| told) {
            connection.backend_mut().disarmed();
        }
        answer
    });
    running.end(raced)
}

/// Statements of ours, and what is lifted before them, if it has to be.
async fn lifted<L: Link>(link: &L, lifting: Option<&str>, statements: &str) -> Flown<(), L::Error> {
    let told = match lifting {
        Some(lifting) => persistently(link, lifting).await.is_ok(),
        None => false,
    };
    Flown { told, answer: link.run(statements).await }
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
        Arming::Nothing | Arming::Lifted(..) | Arming::Around(_) => "SELECT".to_owned(),
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

#[cfg(test)]
mod tests;
