//! What a request carries beside its head, while one attempt has it.
//!
//! A copy for each request, in case that it is sent again, costs more than all else that the attempts cost, and nearly
//! no request is. So where nothing but a connection that broke can be followed by another attempt, the extensions go
//! with the first one and come back with its error. Does not cover attempts that another one may follow in any case:
//! whoever is late or answers gives nothing back.

use http::Extensions;
use tower_deadline::{Deadline, PropagateError};

use crate::upstream::SendError;

/// Extensions that an attempt has.
#[derive(Debug)]
pub(super) struct Lent {
    /// As it was: an attempt has it shortened to its limit.
    deadline: Option<Deadline>,
    is_empty: bool,
}

impl Lent {
    /// What an attempt gets.
    pub(super) fn out(extensions: &mut Extensions) -> (Self, Extensions) {
        let lent = std::mem::take(extensions);
        (Self { deadline: lent.get().copied(), is_empty: lent.is_empty() }, lent)
    }

    /// What came back of them with the error of the attempt.
    pub(super) fn back(self, error: &mut PropagateError) -> Option<Extensions> {
        let PropagateError::Inner(error) = error else { return None };
        let Some(SendError::Exchange { extensions, .. }) = error.downcast_mut::<SendError<PropagateError>>() else {
            return None;
        };
        let mut extensions = std::mem::take(extensions);
        // Without them an attempt would have no deadline.
        if extensions.is_empty() && !self.is_empty {
            return None;
        }
        match self.deadline {
            Some(deadline) => drop(extensions.insert(deadline)),
            None => drop(extensions.remove::<Deadline>()),
        }
        Some(extensions)
    }
}
