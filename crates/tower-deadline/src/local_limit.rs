//! A limit that was set here, beside the deadline that was there before.
//!
//! Covers what becomes of the two: the limit cuts the deadline off, or is never reached because it is longer. Both are
//! worth knowing where a limit was set with another deadline in mind. Does not decide which one counts: the sooner does.

use std::cmp::Ordering;

use http_deadline::Deadline;

use crate::{count, log};

/// What a local limit does to the deadline that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// It is sooner: whoever set the deadline does not get all of it.
    Truncated,
    /// It is later, and is never reached.
    Pointless,
}

impl Effect {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Pointless => "pointless",
        }
    }
}

/// Counts what `own` does to `inherited`, and tells of it once for each place that sets a limit.
pub(crate) fn compare(own: Deadline, inherited: Deadline) {
    match own.instant().cmp(&inherited.instant()) {
        Ordering::Less => tell(Effect::Truncated, own, inherited),
        Ordering::Greater => tell(Effect::Pointless, own, inherited),
        Ordering::Equal => {}
    }
}

/// The same for a limit on a part of the work: to be sooner is what it is for, and truncates nothing.
#[cfg(feature = "reqwest")]
pub(crate) fn compare_part(own: Deadline, inherited: Deadline) {
    if own.instant() > inherited.instant() {
        tell(Effect::Pointless, own, inherited);
    }
}

fn tell(effect: Effect, own: Deadline, inherited: Deadline) {
    count::local_limit(effect);
    log::local_limit(effect, own, inherited);
}
