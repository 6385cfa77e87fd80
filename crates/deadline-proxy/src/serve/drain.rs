//! When a connection is closed to more.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::limits::Timed;

/// A connection that is younger than this when a drain begins has its first request on the way: the time of a round
/// trip, and of a packet that has to be sent twice.
pub(super) const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// The drain, as far as it concerns one connection.
#[derive(Debug)]
pub(super) struct Drain {
    begun: CancellationToken,
    timed: Timed,
    since: Instant,
}

impl Drain {
    /// Of a connection that can ask from now on.
    pub(super) fn of(timed: Timed, begun: CancellationToken) -> Self {
        Self { begun, timed, since: Instant::now() }
    }

    /// Ends where the drain has begun, and the connection is not too young to have asked.
    pub(super) async fn concerns(&self) {
        self.begun.cancelled().await;
        // Either is an end. In a box, so that room for it is only taken in a drain.
        let _ = Box::pin(timeout_at(self.since + FIRST_REQUEST, self.timed.asked())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use http::{Request, Response};
    use tokio::time::sleep;
    use tower::{Layer, ServiceExt, service_fn};
    use tower_deadline::BoxError;

    const LIMIT: Duration = Duration::from_secs(75);
    const MS: Duration = Duration::from_millis(1);

    /// When the connection is closed to more, of which a drain begins at one time and the first request comes at another.
    async fn drained(drain: Duration, ask: Option<Duration>) -> Duration {
        let (start, begun) = (Instant::now(), CancellationToken::new());
        let (_, timed) = Timed::on(tokio::io::empty(), &Limits::default());
        let served = timed.layer(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) }));
        let draining = Drain::of(timed, begun.clone());
        // Each on its own: who waits has to be woken.
        tokio::spawn(async move {
            sleep(drain).await;
            begun.cancel();
        });
        tokio::spawn(async move {
            sleep(ask.unwrap_or(LIMIT)).await;
            served.oneshot(Request::new(())).await.unwrap();
        });
        draining.concerns().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_first_request_of_a_young_connection() {
        let young = FIRST_REQUEST - MS;
        assert_eq!(drained(MS, None).await, FIRST_REQUEST);
        assert_eq!(drained(MS, Some(young)).await, young);
        assert_eq!(drained(young, Some(2 * FIRST_REQUEST)).await, FIRST_REQUEST);
        // Nothing is waited for where a request has come, or could have.
        assert_eq!(drained(2 * MS, Some(MS)).await, 2 * MS);
        assert_eq!(drained(FIRST_REQUEST, None).await, FIRST_REQUEST);
        assert_eq!(drained(LIMIT / 2, None).await, LIMIT / 2);
    }
}
