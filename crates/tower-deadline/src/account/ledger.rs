//! The ledger: what this hop tells of its time, in the `Server-Timing` of the response (policy key `ledger`).
//!
//! Covers the times of one request, by stage, from its arrival to the head of its response, and its entry behind those of
//! the hops that were called. What the body takes is not in it: the entry stands in the head.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use http_deadline::dialect::server_timing::{Entry, SERVER_TIMING};
use http_deadline::{Cause, Deadline, Stage};

use super::Spent;
use crate::timer::now;

/// A hop without a name.
const UNNAMED: &str = "unnamed";

/// The times of one request.
#[derive(Debug)]
pub(super) struct Ledger {
    hop: Option<Arc<str>>,
    arrived: Instant,
    budget: Option<Duration>,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    spent: Spent,
    /// When the first call left, since the arrival.
    sent: Option<Duration>,
    stopped: Option<(Stage, Cause)>,
}

impl Ledger {
    /// Of a request that arrived at this instant.
    pub(super) fn open(hop: Option<Arc<str>>, deadline: Option<Deadline>, arrived: Instant) -> Self {
        Self { hop, arrived, budget: deadline.map(Deadline::budget), times: Mutex::default() }
    }

    pub(super) fn entered(&self, stage: Stage) {
        let now = now();
        let mut times = self.times();
        if stage == Stage::Upstream {
            times.sent.get_or_insert(now.saturating_duration_since(self.arrived));
        }
        times.spent.enter(stage, now);
    }

    pub(super) fn left(&self, stage: Stage) {
        self.times().spent.leave(stage, now());
    }

    pub(super) fn stopped(&self, stage: Stage, cause: Cause) {
        self.times().stopped.get_or_insert((stage, cause));
    }

    /// Writes the entry behind what is there.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        // What is no field value is no entry: a hop's name is a token by now, and all else is ours.
        if let Ok(entry) = HeaderValue::from_str(&self.entry(now()).to_string()) {
            headers.append(SERVER_TIMING.clone(), entry);
        }
    }

    fn entry(&self, now: Instant) -> Entry {
        let mut times = self.times();
        times.spent.settle(now);
        let hop = self.hop.as_deref().unwrap_or(UNNAMED);
        let entry = Entry::new(hop, now.saturating_duration_since(self.arrived));
        let entry = match self.budget {
            Some(budget) => entry.budget(budget),
            None => entry,
        };
        let stages = times.spent.by_stage();
        let entry = stages.into_iter().fold(entry, |entry, (stage, spent)| entry.stage(stage, spent));
        let entry = match times.sent {
            Some(sent) => entry.sent(sent),
            None => entry,
        };
        match times.stopped {
            Some((stage, cause)) => entry.stopped(stage, cause),
            None => entry,
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
