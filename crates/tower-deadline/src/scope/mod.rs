//! The ambient scope: a deadline for work that has no request in its hands.
//!
//! # What ends when
//!
//! - [`scope`] runs a future under a deadline, or under the sooner one around it, and ends it there, or when its
//!   caller [cancels](Scope::cancel) it;
//! - [`spawn`] starts a task that works under the deadline of the request and ends with it, for whatever
//!   cause: answered, expired, or its client gone (R15);
//! - [`spawn_blocking`] runs blocking code under the deadline, which is for that code to look at;
//! - [`detach`] starts a task that outlives the request, with a budget of its own that counts from the call;
//! - [`share`] starts work that several requests wait for: it ends with the longest of them.
//!
//! A task that was spawned plainly, by `tokio::spawn`, has no ambient deadline and does not end with anything.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower_deadline::{Deadline, Stage, current, now, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let deadline = Deadline::after(now(), Duration::from_millis(5));
//! let outcome = scope(deadline, async {
//!     assert_eq!(current(), Some(deadline));
//!     std::future::pending::<()>().await
//! });
//! assert_eq!(outcome.await.map_err(|exceeded| exceeded.stage()), Err(Stage::Handler));
//! # }
//! ```
//!
//! Cancelled by its caller, with the reason as detail:
//!
//! ```
//! use std::error::Error;
//! use std::future::pending;
//! use std::time::Duration;
//! use tower_deadline::{Cancellation, Cause, Deadline, now, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let scope = scope(Deadline::after(now(), Duration::from_secs(3)), pending::<()>());
//! let canceller = scope.canceller();
//! assert_eq!(canceller.cancel("lost the lease"), Cancellation::Accepted);
//! assert_eq!(canceller.cancel("once more"), Cancellation::Repeated);
//!
//! let Err(exceeded) = scope.await else { panic!("not cancelled") };
//! assert_eq!(exceeded.cause(), Cause::Cancelled);
//! assert_eq!(exceeded.source().map(ToString::to_string).as_deref(), Some("lost the lease"));
//! assert_eq!(canceller.cancel("too late"), Cancellation::TooLate);
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Policy};
use tokio::task::JoinHandle;

use crate::now;

mod blocking;
mod cancel;
mod child;
mod future;
pub mod shared;
#[cfg(test)]
mod tests;

pub use self::blocking::spawn_blocking;
pub use self::cancel::Canceller;
pub use self::child::{RequestEnded, ended, spawn};
pub use self::future::Scope;
pub use self::shared::{Shared, Wait, WaitError, share};

/// Runs `future` under `deadline`, or under the ambient one where that is sooner.
///
/// A value that is ready at the very instant is delivered (R11).
///
/// # Errors
///
/// [`Exceeded`] at the deadline, or once it is [cancelled](Scope::cancel); the future is then dropped, and what
/// it had [spawned](spawn) ends.
pub fn scope<F: Future>(deadline: Deadline, future: F) -> Scope<F> {
    let around = Ambient::current();
    let journey = match around.journey() {
        Some(journey) => journey.part(),
        None => unbounded(),
    };
    Scope::new(deadline, &around, journey, future)
}

/// Starts a task that outlives the request, with a budget of its own. The budget counts from this call, and
/// the calling line is its origin.
///
/// # Panics
///
/// Where `tokio::spawn` does: outside of a runtime.
#[track_caller]
pub fn detach<F>(budget: Duration, future: F) -> JoinHandle<Result<F::Output, Exceeded>>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(Scope::new(Deadline::after(now(), budget), &Ambient::NONE, unbounded(), future))
}

/// A journey for work that is part of no request.
fn unbounded() -> Journey {
    Journey::new(Arc::new(Policy::new()), true)
}

/// Whoever runs this poll or drop gives a part up before its end: for the cause that stops the whole, or else
/// for this one.
pub(crate) fn abandon(part: &Journey, otherwise: Cause) {
    let around = Ambient::as_it_is();
    let stopped = around.journey().and_then(|journey| Some((journey.cause()?, journey.detail().cloned())));
    let (cause, detail) = stopped.unwrap_or((otherwise, None));
    part.stop_with(cause, detail);
}
