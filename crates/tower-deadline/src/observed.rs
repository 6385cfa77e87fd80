//! What an observing policy would have done to one request.
//!
//! Covers whether a request was still running at its deadline, as far as its polls tell: nothing is armed, so an
//! instant that passes between two polls is seen at the second, with the stage that was open since the first. What
//! is ready at that second poll counts as late: whether it already was at the instant, nobody looked. Does not
//! count and does not stop anything; the custody of the request does the first.

use std::time::Instant;

use http_deadline::Deadline;

use crate::timer::now;

/// In the extensions of a request that is not to be counted at its deadline: an enforcing policy would have refused it,
/// so that it would never have run, or a layer further out observes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountedElsewhere;

/// A request under an observing policy that has not been counted yet.
#[derive(Debug)]
pub(crate) struct Observed {
    at: Instant,
    reached: Reached,
}

/// How far the response has come.
#[derive(Debug)]
enum Reached {
    /// No head: what is ready at the very instant is in time (R11).
    Nothing,
    /// The head was in time: the deadline comes before each frame (R11).
    Head,
    /// The head was ready at the very instant: it is in time if all of the body is ready with it.
    Tied,
}

impl Observed {
    /// `None` for a request that came too late: it would not have run.
    pub(crate) fn new(deadline: Deadline) -> Option<Self> {
        let at = deadline.instant();
        (now() < at).then_some(Self { at, reached: Reached::Nothing })
    }

    /// Before a poll. Returns whether the deadline passed before it.
    pub(crate) fn has_missed(&self) -> bool {
        match self.reached {
            Reached::Nothing => now() > self.at,
            Reached::Head => now() >= self.at,
            Reached::Tied => false,
        }
    }

    /// After a poll that was not ready, and when the request is dropped. Returns whether the deadline has passed.
    pub(crate) fn is_late(&self) -> bool {
        now() >= self.at
    }

    /// The head is ready, and the deadline covers the body.
    pub(crate) fn deliver(&mut self) {
        self.reached = if self.is_late() { Reached::Tied } else { Reached::Head };
    }
}
