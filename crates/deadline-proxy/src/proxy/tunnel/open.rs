//! The tunnels that are open.

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The tunnels that are open, of all workers. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Tunnels {
    /// None are open yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Ends all of them cleanly: what was read is written, then both sides are told that nothing more comes. None is
    /// opened from here on: a handshake is answered 503. Can be repeated.
    pub fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
    }

    /// Waits until they were told to close, and all of them have. Cancel-safe.
    pub async fn closed(&self) {
        self.tasks.wait().await;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Ready once they are to close.
    pub(super) fn closing(&self) -> WaitForCancellationFutureOwned {
        self.closing.clone().cancelled_owned()
    }

    /// Runs a tunnel on the worker that opened it.
    pub(super) fn spawn(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(tunnel);
    }
}
