//! What is under way when the patience of a drain has ended.
//!
//! Covers what is told of such a request, with a deadline or without one, wherever causes are told: the cause is
//! `shutdown`, and the stage the one that is open. Does not answer it, nor break its message off: the [passage](super::passage)
//! does.

use std::time::Instant;

use http::Extensions;
use tower_deadline::{Cause, Deadline, Exceeded, Journey, Stage, now};

use crate::access::Record;
use crate::count;
use crate::noted::Noted;

/// What is told of a request that is stopped.
#[derive(Debug)]
pub(super) struct Stoppable {
    /// Of one without a deadline, when it came.
    granted: Result<Deadline, Instant>,
    pub(super) journey: Option<Journey>,
    record: Option<Record>,
}

impl Stoppable {
    /// The request with these extensions, of which this is noted.
    pub(super) fn new(extensions: &Extensions, noted: Option<&Noted>) -> Self {
        Self {
            granted: extensions.get().copied().ok_or_else(now),
            journey: extensions.get().cloned(),
            record: noted.and_then(|noted| noted.record.clone()),
        }
    }

    /// Notes what was granted to it, where anything was.
    pub(super) fn admitted(&self) {
        if let Some(record) = &self.record {
            record.admitted(self.granted.ok(), self.journey.clone());
        }
    }

    /// Stopped in this stage, or in the one that is open.
    pub(super) fn stop(&self, stage: Stage) -> Exceeded {
        let open = self.journey.as_ref().map(Journey::stage).filter(|stage| *stage != Stage::Handler);
        let stage = open.or_else(|| self.record.as_ref()?.open_stage()).unwrap_or(stage);
        if let Some(journey) = &self.journey {
            journey.stop(Cause::Shutdown);
        }
        self.record.iter().for_each(|record| record.stopped(stage, Cause::Shutdown));
        count::stopped_by_shutdown();
        let now = now();
        // Whoever had none is told of one that ends now.
        let deadline = self.granted.unwrap_or_else(|arrived| Deadline::at(now).arrived_at(arrived));
        Exceeded::new(deadline, stage, Cause::Shutdown, now)
    }
}
