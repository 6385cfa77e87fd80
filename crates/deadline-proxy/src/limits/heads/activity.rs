//! What the requests of a connection tell its stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Ever.
    called: AtomicUsize,
    /// Now.
    under_way: AtomicUsize,
}

impl Activity {
    pub(super) fn called(&self) -> usize {
        self.called.load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// From here on it is busy for ever: what comes is no head.
    pub(super) fn release(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn enter(self: &Arc<Self>) -> Under {
        self.called.fetch_add(1, Ordering::AcqRel);
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Under(Arc::clone(self))
    }
}

/// A request is under way for as long as this is held.
#[derive(Debug)]
pub struct Under(Arc<Activity>);

impl Under {
    /// What follows on the connection is no HTTP/1.1.
    pub(super) fn release(&self) {
        self.0.release();
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}
