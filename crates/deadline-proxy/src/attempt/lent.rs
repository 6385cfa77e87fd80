//! The head of a request, while one attempt has it.
//!
//! A copy for each request, in case that it is sent again, costs more than all else that the attempts cost, and nearly
//! no request is. So where nothing but a connection that broke can be followed by another attempt, the head goes with the
//! first one and comes back with its error. Does not cover attempts that another one may follow in any case: whoever is
//! late or answers gives nothing back.

use http::Extensions;
use http::request::Parts;
use tower_deadline::{Deadline, PropagateError};

use crate::upstream::SendError;

/// A head that an attempt has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent {
    /// As it was: an attempt has it shortened to its limit.
    deadline: Option<Deadline>,
}

impl Lent {
    /// With these extensions.
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self { deadline: extensions.get().copied() }
    }

    /// What came back with the error of the attempt.
    pub(super) fn back(self, error: &mut PropagateError) -> Option<Parts> {
        let PropagateError::Inner(error) = error else { return None };
        let Some(SendError::Exchange { head, .. }) = error.downcast_mut::<SendError<PropagateError>>() else {
            return None;
        };
        let mut head = *head.take()?;
        match self.deadline {
            Some(deadline) => drop(head.extensions.insert(deadline)),
            None => drop(head.extensions.remove::<Deadline>()),
        }
        Some(head)
    }
}
