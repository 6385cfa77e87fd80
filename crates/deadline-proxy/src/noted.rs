//! What is noted of a request on its way in.
//!
//! Covers one place in its extensions for what several modules of ours leave there for each other: each extension more is
//! an allocation, and the fourth has all of them moved. Each module has a function of its own that reads its part, so
//! none of them looks here for that of another.

use std::time::Instant;

use http::Extensions;
use tower_deadline::now;

use crate::access::Record;
use crate::forward::Received;
use crate::limits::Hangup;

/// What is noted of a request.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    /// When it came: when the first of this was noted.
    pub(crate) arrived: Instant,
    /// How its connection is closed, and who is at the other end of that.
    pub(crate) hangup: Option<Hangup>,
    /// What its line will say.
    pub(crate) record: Option<Record>,
    /// What was decided of it when it came.
    pub(crate) received: Option<Received>,
}

impl Default for Noted {
    fn default() -> Self {
        Self { arrived: now(), hangup: None, record: None, received: None }
    }
}

impl Noted {
    /// What is noted of the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// When the request with these extensions came, where that was noted; otherwise now.
    pub(crate) fn arrived(extensions: &Extensions) -> Instant {
        Self::of(extensions).map_or_else(now, |noted| noted.arrived)
    }

    /// Where more is noted of it.
    pub(crate) fn within(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default()
    }
}
