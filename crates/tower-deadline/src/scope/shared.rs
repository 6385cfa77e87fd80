//! Shared work: one computation that several requests wait for.
//!
//! Covers its deadline, which is that of its *longest* waiter, and its end: when it has a value, or when the last
//! waiter leaves. Does not know keys: a cache of such work holds [`Shared`] in its own map, and replaces one
//! that [is stopped](Shared::is_stopped).
//!
//! # Whose deadline
//!
//! A waiter leaves at its own deadline, and takes none of the others with it. The work itself works under the
//! deadline of the longest waiter, read anew at each poll: a later waiter with more time lengthens the bound of the
//! work, though never any deadline. What the work has already sent or started carries the deadline that was the
//! longest at that moment. A waiter without a deadline leaves the work without one. The policy of the work, its
//! reserve and its mode, is that of the first waiter.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower_deadline::{Deadline, now, scope, share};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prices = share(async { vec![3, 5, 8] });
//! let patient = scope(Deadline::after(now(), Duration::from_secs(3)), prices.wait());
//! let hurried = scope(Deadline::after(now(), Duration::from_secs(1)), prices.wait());
//! assert_eq!(hurried.await??, [3, 5, 8]);
//! assert_eq!(patient.await??, [3, 5, 8]);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use http_deadline::Ambient;

use crate::watch::Watch;

mod state;
mod waiting;
mod work;

use self::state::State;
pub use self::waiting::{Wait, WaitError};
use self::work::Work;

/// Makes work that several requests can wait for. It starts, as a task, when the first one does.
///
/// What the work itself calls is told the deadline that is the longest when it calls, and is stopped then, as it
/// has to be: a hop downstream that was told 300 ms stops after them. Work whose first waiter may have little time left,
/// and whose value others want, calls again where a call was stopped at the deadline and time is left.
///
/// A cache asks again where it is told [`WaitError::Stopped`]: the last waiter may leave between a look at
/// [`is_stopped`](Shared::is_stopped) and the wait.
pub fn share<F>(work: F) -> Shared<F::Output>
where
    F: Future<Output: Clone + Send + Sync> + Send + 'static,
{
    let start = |state: Arc<State<F::Output>>, first: &Ambient| drop(tokio::spawn(Work::new(work, state, first)));
    Shared(Arc::new(State::new(Box::new(start))))
}

/// Work that several requests wait for; see the [module](self). A clone is the same work. Holding one is not
/// waiting: it keeps the value, and nothing running.
pub struct Shared<T>(Arc<State<T>>);

impl<T: Clone> Shared<T> {
    /// Waits for the value under the ambient deadline of the caller, which is a waiter from the first poll on until
    /// it has the value, or is dropped.
    ///
    /// # Errors
    ///
    /// [`WaitError`]: at the caller's own deadline, and where the work stopped without a value.
    ///
    /// # Panics
    ///
    /// The first poll of the first waiter, where `tokio::spawn` does: outside of a runtime.
    pub fn wait(&self) -> Wait<T> {
        let around = Ambient::current();
        let enforced = around.journey().is_none_or(|journey| !journey.policy().is_observed());
        let deadline = around.deadline().filter(|_| enforced);
        let watch = deadline.map(|deadline| Watch::new(deadline, around.journey().cloned()));
        Wait::new(Arc::clone(&self.0), around, watch)
    }

    /// Whether the work stopped without a value: the last waiter left, or it panicked. Waiting for it is then
    /// an error.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.0).finish()
    }
}
