//! The end of the patience of a process that stops.
//!
//! Covers one word, which is said once and to everybody: what is still under way is stopped now. Whoever serves
//! connections, requests or lines of a log asks for it here. Does not know how long a drain may take, nor who says so.

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Whether what is under way is stopped, which is for ever. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nothing is stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops what is under way, here and in every worker. Can be repeated.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ready once it has begun. Cancel-safe.
    pub fn begun(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }

    /// The same, with a list of its own of who waits: each request does, and workers should not wait for each other.
    #[must_use]
    pub(crate) fn of_worker(&self) -> Self {
        Self(self.0.child_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_begins_begins_in_every_worker_and_what_begins_in_one_stays_there() {
        let process = Shutdown::new();
        let workers = [process.of_worker(), process.of_worker()];
        workers[0].begin();
        assert_eq!([&process, &workers[0], &workers[1]].map(Shutdown::has_begun), [false, true, false]);
        let mut begun = Box::pin(workers[1].begun());
        assert!((&mut begun).now_or_never().is_none());
        process.begin();
        assert!(begun.now_or_never().is_some() && process.of_worker().has_begun());
    }
}
