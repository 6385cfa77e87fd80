//! What came too late to stop a journey.
//!
//! Covers keeping the first few, in their order, without a lock. Does not know which cause was the first.

use std::fmt;
use std::sync::OnceLock;

use super::Detail;
use crate::Cause;

/// As many as are kept: whoever reads them wants to know of a race, not of everybody who lost it.
const KEPT: usize = 4;

/// What would have stopped a [`Journey`](super::Journey), had it not been stopped before.
#[derive(Clone)]
pub struct Note {
    cause: Cause,
    detail: Option<Detail>,
}

impl Note {
    pub(super) fn new(cause: Cause, detail: Option<Detail>) -> Self {
        Self { cause, detail }
    }

    /// The cause that came too late.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What was said of it, if anything was.
    #[must_use]
    pub fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({self})")
    }
}

/// The notes of a journey. Made of nothing until there is one: hardly any has any.
#[derive(Default)]
pub(super) struct Notes(OnceLock<Box<[OnceLock<Note>; KEPT]>>);

impl Notes {
    /// Keeps it where there is room.
    pub(super) fn add(&self, mut note: Note) {
        for place in &**self.0.get_or_init(Box::default) {
            match place.set(note) {
                Ok(()) => return,
                Err(back) => note = back,
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.get().into_iter().flat_map(|notes| notes.iter()).map_while(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cancellation, Journey, Policy};
    use std::sync::Arc;

    fn journey() -> Journey {
        Journey::new(Arc::new(Policy::new()), false)
    }

    fn notes(journey: &Journey) -> Vec<String> {
        journey.notes().map(ToString::to_string).collect()
    }

    fn detail(text: &str) -> Option<Detail> {
        Some(Arc::new(std::io::Error::other(text.to_owned())))
    }

    // R15
    #[test]
    fn the_first_cause_is_kept_and_later_ones_are_noted_in_their_order() {
        let journey = journey();
        assert!(journey.stop(Cause::Deadline));
        assert!(notes(&journey).is_empty(), "the first is no note");
        assert!(!journey.stop(Cause::ClientGone));
        assert_eq!(journey.cancel(Cause::Cancelled, detail("no more")), Cancellation::Repeated);
        assert_eq!(journey.cause(), Some(Cause::Deadline));
        assert_eq!(notes(&journey), ["client_gone", "cancelled (no more)"]);
    }

    #[test]
    fn the_same_cause_again_is_noted_only_with_a_detail() {
        let journey = journey();
        for _ in 0..3 {
            journey.stop(Cause::Deadline);
        }
        assert!(notes(&journey).is_empty());
        journey.stop_with(Cause::Deadline, detail("again"));
        assert_eq!(notes(&journey), ["deadline (again)"]);
    }

    #[test]
    fn four_are_kept_and_no_more() {
        let journey = journey();
        journey.stop(Cause::Shutdown);
        for number in 1..=6 {
            journey.stop_with(Cause::Cancelled, detail(&number.to_string()));
        }
        assert_eq!(notes(&journey), ["cancelled (1)", "cancelled (2)", "cancelled (3)", "cancelled (4)"]);
    }

    #[test]
    fn what_comes_after_the_end_leaves_no_note() {
        let journey = journey();
        journey.end();
        assert_eq!(journey.cancel(Cause::Cancelled, detail("too late")), Cancellation::TooLate);
        assert!(notes(&journey).is_empty() && journey.cause().is_none());
    }
}
