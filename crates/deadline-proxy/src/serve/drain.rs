//! When a connection is closed to more, and what ends the wait for it.
//!
//! A drain concerns one connection when the process stops, or when what the connection was accepted under is replaced.
//! HTTP/2 says which requests it still takes (GOAWAY), and no request is lost. HTTP/1.1 can only say so with an answer:
//! whoever has just been answered may have the next request on its way, and a connection that is closed meanwhile loses
//! it. So such a connection waits for that request, and says `Connection: close` with its answer.

use std::future::pending;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{Doing, Timed};
use crate::shutdown::Shutdown;

/// A connection that was opened or used so short a time ago has a request on the way: the time of a round trip, and of
/// a packet that has to be sent twice.
pub(super) const NEXT_REQUEST: Duration = Duration::from_secs(1);

/// How long what was stopped may take to tell its clients: as long as a packet that has to be sent twice.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The drain, as far as it concerns one connection.
#[derive(Debug)]
pub(super) struct Drain {
    begun: CancellationToken,
    timed: Timed,
    limit: Duration,
}

impl Drain {
    /// Of a connection that can ask from now on, and that is not kept for nothing for longer than `limit`.
    pub(super) fn of(timed: Timed, begun: CancellationToken, limit: Duration) -> Self {
        Self { begun, timed, limit }
    }

    /// Ends where the drain has begun, and the connection is not too young to have asked. For HTTP/2.
    pub(super) async fn asked(&self) {
        self.begun.cancelled().await;
        // Either is an end. In a box, so that room for it is only taken in a drain.
        let _ = Box::pin(timeout_at(self.timed.opened() + NEXT_REQUEST, self.timed.asked())).await;
    }

    /// Ends where the drain has begun, and no request is lost if the connection is told to finish. For HTTP/1.1: where
    /// the head of an answer can still say so, or where nothing has come for a while.
    pub(super) async fn between_requests(&self) {
        self.begun.cancelled().await;
        Box::pin(self.rest()).await;
    }

    async fn rest(&self) {
        // What has come by now is read first: in between, the runtime looks at its sockets.
        yield_now().await;
        loop {
            let doing = self.timed.doing();
            let changes = self.timed.no_longer(doing);
            match doing {
                Doing::Asked => return,
                // A head that takes too long ends the connection, and a body ends by itself or is stopped.
                Doing::Hearing | Doing::Answering => changes.await,
                Doing::Nothing(since) => {
                    if timeout_at(since + NEXT_REQUEST, changes).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Ends where the connection was told to finish, and goes on without a request, or the rest of an answer, for longer than
    /// it may: a peer that does not close it, and does not answer.
    pub(super) async fn is_kept_for_nothing(&self) {
        // In a box, as above.
        Box::pin(self.timed.at_rest(self.limit)).await;
    }

    /// Ends where something ends the connection for a reason of its own.
    pub(super) async fn hung_up(&self) {
        self.timed.hung_up().await;
    }
}

/// Waits for connections that take no more requests: for all of them, but from the shutdown on only as long as it takes to
/// tell their clients. Where nobody says when that is, it is at `until`.
pub(super) async fn over(connections: &TaskTracker, shutdown: Option<&Shutdown>, until: Instant) {
    let told = async {
        match shutdown {
            Some(_) => begun(shutdown).await,
            None => sleep_until(until).await,
        }
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        // Too late is no reason to stay: what is left is dropped with the runtime.
        () = told => {}
    }
}

/// Ends where the shutdown has begun.
pub(super) async fn begun(shutdown: Option<&Shutdown>) {
    match shutdown {
        Some(shutdown) => shutdown.begun().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use bytes::Bytes;
    use futures_util::stream;
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use std::convert::Infallible;
    use tower::{Layer, ServiceExt, service_fn};
    use tower_deadline::BoxError;

    const LIMIT: Duration = Duration::from_secs(75);
    const MS: Duration = Duration::from_millis(1);

    fn drain() -> (Drain, CancellationToken) {
        let begun = CancellationToken::new();
        let (_, timed) = Timed::on(tokio::io::empty(), &Limits::default());
        (Drain::of(timed, begun.clone(), LIMIT), begun)
    }

    /// Asks after so long; the head of the answer takes a while, and its body as long again.
    async fn ask(timed: Timed, after: Duration, takes: Duration) {
        sleep(after).await;
        let served = timed.layer(service_fn(move |_: Request<()>| async move {
            sleep(takes).await;
            let rest = Box::pin(stream::once(async move {
                sleep(takes).await;
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a")))
            }));
            Ok::<_, BoxError>(Response::new(StreamBody::new(rest)))
        }));
        let answer = served.oneshot(Request::new(())).await.unwrap();
        drop(answer.into_body().collect().await);
    }

    /// When a connection is closed to more, of which a drain begins at one time, and each of these requests comes at
    /// another and takes as long; of either version.
    async fn drained(begins: Duration, asked: &[(Duration, Duration)]) -> [Duration; 2] {
        let (start, (drain, begun)) = (Instant::now(), drain());
        // Each on its own: who waits has to be woken.
        tokio::spawn(async move {
            sleep(begins).await;
            begun.cancel();
        });
        for (after, takes) in asked {
            tokio::spawn(ask(drain.timed.clone(), *after, *takes));
        }
        drain.asked().await;
        let http2 = start.elapsed();
        drain.between_requests().await;
        [start.elapsed(), http2]
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_first_request_of_a_young_connection() {
        let young = NEXT_REQUEST - MS;
        let ask = |after| [(after, 5 * MS)];
        assert_eq!(drained(MS, &[]).await, [NEXT_REQUEST; 2]);
        assert_eq!(drained(MS, &ask(young)).await, [young; 2]);
        assert_eq!(drained(young, &ask(2 * NEXT_REQUEST)).await, [NEXT_REQUEST; 2]);
        // Nothing is waited for where a request has come, or could have.
        assert_eq!(drained(2 * MS, &ask(MS)).await, [2 * MS; 2]);
        assert_eq!(drained(NEXT_REQUEST, &[]).await, [NEXT_REQUEST; 2]);
        assert_eq!(drained(LIMIT / 2, &[]).await, [LIMIT / 2; 2]);
    }

    /// A second stands between two of its requests, and a drain begins somewhere within them.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_used_is_told_with_the_next_answer() {
        let (first, takes) = (NEXT_REQUEST, 100 * MS);
        let rests = first + 2 * takes;
        let next = rests + NEXT_REQUEST - MS;
        let asked = [(first, takes), (next, takes)];
        // The head of the first answer can say so.
        assert_eq!(drained(first + takes / 2, &asked).await[0], first + takes / 2);
        // It cannot any more, and the next one can.
        assert_eq!(drained(first + takes + MS, &asked).await[0], next);
        assert_eq!(drained(rests + MS, &asked).await[0], next);
        // Nobody asks for a second.
        for begins in [first + takes + MS, rests + MS, rests + NEXT_REQUEST - MS] {
            assert_eq!(drained(begins, &asked[..1]).await[0], rests + NEXT_REQUEST);
        }
        assert_eq!(drained(rests + NEXT_REQUEST, &asked[..1]).await[0], rests + NEXT_REQUEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_told_to_finish_is_kept_for_requests_only() {
        let (start, (drain, _begun)) = (Instant::now(), drain());
        tokio::spawn(ask(drain.timed.clone(), Duration::ZERO, 2 * LIMIT));
        sleep(MS).await;
        drain.is_kept_for_nothing().await;
        assert!((5 * LIMIT..=6 * LIMIT).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_left_at_the_shutdown_has_a_moment_to_be_told() {
        for (takes, begins, ends) in [
            (10 * MS, Some(LIMIT), 10 * MS),
            (2 * LIMIT, Some(LIMIT / 2), LIMIT / 2 + LAST_WORDS),
            (LIMIT / 2 + MS, Some(LIMIT / 2), LIMIT / 2 + MS),
            // A limit that has passed says nothing about the process.
            (3 * LIMIT, Some(2 * LIMIT), 2 * LIMIT + LAST_WORDS),
            (2 * LIMIT, None, LIMIT + LAST_WORDS),
        ] {
            let (start, connections, shutdown) = (Instant::now(), TaskTracker::new(), Shutdown::new());
            connections.spawn(sleep(takes));
            connections.close();
            let begin = shutdown.clone();
            tokio::spawn(async move {
                let Some(begins) = begins else { return };
                sleep(begins).await;
                begin.begin();
            });
            over(&connections, begins.map(|_| &shutdown), start + LIMIT).await;
            assert_eq!(start.elapsed(), ends);
        }
    }
}
