//! What was done to a body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_deadline::{Deadline, current};

/// Remembers how a [`ScriptedBody`](crate::ScriptedBody) was treated. A clone is the same probe.
#[derive(Clone, Debug, Default)]
pub struct BodyProbe(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    polls: usize,
    after_end: usize,
    at_poll: Option<Deadline>,
    at_drop: Option<Option<Deadline>>,
}

impl BodyProbe {
    /// How often it was polled, its end included.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.seen().polls
    }

    /// How often it was polled again after it had told its end or its error.
    #[must_use]
    pub fn polled_after_end(&self) -> usize {
        self.seen().after_end
    }

    /// Whether it was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.seen().at_drop.is_some()
    }

    /// The ambient deadline at its last poll.
    #[must_use]
    pub fn deadline_at_poll(&self) -> Option<Deadline> {
        self.seen().at_poll
    }

    /// The ambient deadline when it was dropped.
    #[must_use]
    pub fn deadline_at_drop(&self) -> Option<Deadline> {
        self.seen().at_drop.flatten()
    }

    pub(crate) fn polled(&self, ended: bool) {
        let mut seen = self.seen();
        seen.polls += 1;
        seen.after_end += usize::from(ended);
        seen.at_poll = current();
    }

    pub(crate) fn dropped(&self) {
        self.seen().at_drop = Some(current());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
