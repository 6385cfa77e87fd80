//! The ledger: what this hop tells of its time, in the `Server-Timing` of the response (policy key `ledger`).
//!
//! Covers the times of one request, by stage, from its arrival to the head of its response, and its entry behind those of
//! the hops that were called, with a deadline or without one, also in a 304, in the answer to a `HEAD`, and in a head of
//! gRPC that is all there is. What was told of them is passed on and not believed: whoever answers can tell anything. A
//! handler that makes an answer of its own need not care for that: what the hops that it called have told stands in it too,
//! unless there are entries of hops in it already.
//!
//! What the body takes is not in it. The entry stands in the head, for browsers and scripts read it there, and trailers are
//! lost on most ways; the time of a body shows in the entry of a caller that has waited for it. An answer that switches
//! protocols has no entry (101): what comes then is no response.
//!
//! Time in a queue before the arrival, as a trusted front tells of it (R8), is stage `queue`, and part of the whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http_deadline::dialect::server_timing::{self, Entry};
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
    /// Before the arrival.
    queued: Duration,
    /// When the first call left, since the arrival.
    sent: Option<Duration>,
    stopped: Option<(Stage, Cause)>,
    /// What the hops that were called have told, the last ones of many.
    heard: Vec<Entry>,
}

impl Ledger {
    /// Of a request that arrived at this instant.
    pub(super) fn open(hop: Option<Arc<str>>, deadline: Option<Deadline>, arrived: Instant) -> Self {
        Self { hop, arrived, budget: deadline.map(Deadline::budget), times: Mutex::default() }
    }

    /// It has waited for so long before it arrived.
    pub(super) fn queued(&self, time: Duration) {
        let mut times = self.times();
        times.queued = time;
        times.spent.add(Stage::Queue, time);
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

    /// It was not stopped here.
    pub(super) fn passed(&self) {
        self.times().stopped = None;
    }

    /// A call was answered with these fields.
    pub(super) fn heard(&self, fields: &HeaderMap) {
        let entries = server_timing::entries(fields);
        if !entries.is_empty() {
            let mut times = self.times();
            times.heard.extend(entries);
            let too_many = times.heard.len().saturating_sub(server_timing::MAX_ENTRIES);
            times.heard.drain(..too_many);
        }
    }

    /// Writes the entry behind what is there, or else behind what was told by the hops that were called.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if server_timing::entries(headers).is_empty() {
            self.times().heard.iter().for_each(|entry| server_timing::append(headers, entry));
        }
        server_timing::append(headers, &self.entry(now()));
    }

    fn entry(&self, now: Instant) -> Entry {
        let mut times = self.times();
        times.spent.settle(now);
        let hop = self.hop.as_deref().unwrap_or(UNNAMED);
        let queued = times.queued;
        let entry = Entry::new(hop, queued + now.saturating_duration_since(self.arrived));
        let entry = match self.budget {
            Some(budget) => entry.budget(budget),
            None => entry,
        };
        let stages = times.spent.by_stage();
        let entry = stages.into_iter().fold(entry, |entry, (stage, spent)| entry.stage(stage, spent));
        let entry = match times.sent {
            Some(sent) => entry.sent(queued + sent),
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
