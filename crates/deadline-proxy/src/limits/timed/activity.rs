//! What the requests of a connection tell its stream, and whoever serves it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Requests of one connection, and what they have brought about. All that a connection shares with them.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Ever.
    called: AtomicUsize,
    /// Now.
    under_way: AtomicUsize,
    is_tunnel: AtomicBool,
    is_hung_up: AtomicBool,
    /// Who waits for the latter, or for the first request.
    server: AtomicWaker,
}

impl Activity {
    pub(super) fn called(&self) -> usize {
        self.called.load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// Waits, on behalf of the one task that serves the connection.
    pub(super) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            // Registered first, so that nothing is missed between the two.
            self.server.register(cx.waker());
            if is_so(self) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn enter(self: &Arc<Self>) -> Under {
        if self.called.fetch_add(1, Ordering::AcqRel) == 0 {
            self.server.wake();
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Under(Arc::clone(self))
    }
}

/// A request is under way for as long as this is held.
#[derive(Debug)]
pub struct Under(Arc<Activity>);

impl Under {
    /// What follows on the connection is no HTTP/1.1, and for ever (R17).
    pub(super) fn becomes_tunnel(&self) {
        self.0.is_tunnel.store(true, Ordering::Release);
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// In the extensions of each request: closes its connection. A clone closes the same.
#[derive(Clone, Debug, Default)]
pub struct Hangup(pub(super) Arc<Activity>);

impl Hangup {
    /// From here on the connection is closed.
    pub fn now(&self) {
        self.0.is_hung_up.store(true, Ordering::Release);
        self.0.server.wake();
    }

    /// Waits until somebody wants that. For one task, which may wait for the first request too. Cancel-safe.
    pub async fn requested(&self) {
        self.0.until(|activity| activity.is_hung_up.load(Ordering::Acquire)).await;
    }
}
