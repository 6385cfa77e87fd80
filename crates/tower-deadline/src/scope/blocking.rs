//! Blocking code under the deadline of the request.

use http_deadline::Ambient;
use tokio::task::{self, JoinHandle};

use super::RequestEnded;
use crate::now;

/// Runs blocking code on a thread for that, under the ambient deadline: there, [`current`](crate::current) and
/// [`remaining`](crate::remaining) tell what is left, calls carry it, and [`spawn`](super::spawn) starts children of
/// the same request.
///
/// Nothing can stop a thread from outside: long work looks at `remaining()` and [`ended`](super::ended) between its
/// steps. Where the request has ended or expired before a thread was free, the code does not run.
///
/// ```
/// use std::time::Duration;
/// use tower_deadline::{Deadline, now, remaining, scope, spawn_blocking};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let deadline = Deadline::after(now(), Duration::from_millis(20));
/// let steps = scope(deadline, async {
///     spawn_blocking(|| {
///         let worthwhile = || remaining().is_some_and(|left| left > Duration::from_millis(15));
///         (0..3).take_while(|_| worthwhile()).count()
///     })
///     .await
/// });
/// assert!(steps.await??? <= 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The task's value is [`RequestEnded`] where the code did not run.
///
/// # Panics
///
/// Where `tokio::task::spawn_blocking` does: outside of a runtime.
pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<Result<T, RequestEnded>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut ambient = Ambient::current();
    task::spawn_blocking(move || match over(&ambient) {
        Some(ended) => Err(ended),
        None => Ok(ambient.run(work)),
    })
}

/// Whether there is nobody left to work for.
fn over(ambient: &Ambient) -> Option<RequestEnded> {
    let ended = ambient.journey().filter(|journey| journey.is_ended());
    let observed = ambient.journey().is_some_and(|journey| journey.policy().is_observed());
    let expired = ambient.deadline().filter(|deadline| !observed && deadline.is_expired(now()));
    ended.map(RequestEnded::of).or_else(|| expired.map(|_| RequestEnded::at_deadline()))
}
