//! What is noted of one request on its way, by whoever knows it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Extensions, HeaderValue};
use tower_deadline::{Cause, Deadline, Journey, PolicyName, Stage, now};

use super::form::{Line, Value};
use super::spent::Spent;
use crate::noted::Noted;

/// What is noted of one request, for its line. A clone is the same.
///
/// It is [found](Self::of) by the extensions of a request of which a line may be written; of any other there is none, and
/// nothing is paid.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Notes>>);

/// What the layers of a request have noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) id: Option<HeaderValue>,
    pub(super) route: Option<Arc<str>>,
    pub(super) policy: Option<PolicyName>,
    pub(super) deadline: Option<Deadline>,
    /// Has the cause, once the request is stopped.
    pub(super) journey: Option<Journey>,
    /// Where and why it was stopped, where no journey knows.
    pub(super) stopped: Option<(Stage, Cause)>,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) attempts: u32,
    /// Which upstreams of a chain were passed by, and why.
    pub(super) passed: Vec<(String, String)>,
    pub(super) spent: Spent,
    /// Bytes of the request body.
    pub(super) received: u64,
}

/// A stage whose time is noted; until this is dropped.
#[derive(Debug)]
#[must_use = "the stage closes when the guard is dropped"]
pub struct Spending {
    record: Record,
    stage: Stage,
}

impl Record {
    /// The record of the request with these extensions, if there is one.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        Noted::of(extensions)?.record.clone()
    }

    /// What the request is called.
    pub(crate) fn id(&self, id: &HeaderValue) {
        self.notes().id = Some(id.clone());
    }

    /// The request takes this route, and is held to this policy.
    pub fn route(&self, name: &Arc<str>, policy: PolicyName) {
        let mut notes = self.notes();
        notes.route = Some(Arc::clone(name));
        notes.policy = Some(policy);
    }

    /// What was granted to the request, where anything was.
    pub fn admitted(&self, deadline: Option<Deadline>, journey: Option<Journey>) {
        let mut notes = self.notes();
        (notes.deadline, notes.journey) = (deadline, journey);
    }

    /// This upstream is asked, once more or for the first time. The last one is the one that the line names.
    pub fn attempt(&self, upstream: &Arc<str>) {
        let mut notes = self.notes();
        notes.attempts += 1;
        notes.upstream = Some(Arc::clone(upstream));
    }

    /// This upstream of a chain is passed by, for this reason.
    pub fn passed(&self, upstream: &str, why: impl fmt::Display) {
        let passed = (upstream.to_owned(), why.to_string());
        self.notes().passed.push(passed);
    }

    /// Counts the time from now on for this stage, until the guard is dropped or another stage is entered within it.
    pub fn enter(&self, stage: Stage) -> Spending {
        self.begin(stage);
        Spending { record: self.clone(), stage }
    }

    /// The same, until this is told that it has left; which nobody needs to who asks no more.
    pub(super) fn begin(&self, stage: Stage) {
        self.notes().spent.enter(stage, now());
    }

    /// It leaves the stage that has [begun](Self::begin).
    pub(super) fn leave(&self, stage: Stage) {
        self.notes().spent.leave(stage, now());
    }

    /// Counts so much for this stage, before the request came here.
    pub(super) fn spent_before(&self, stage: Stage, time: Duration) {
        self.notes().spent.add(stage, time);
    }

    /// So many bytes more of the request body have come.
    pub(super) fn received(&self, bytes: u64) {
        self.notes().received += bytes;
    }

    /// It is stopped in this stage, for this cause.
    pub(crate) fn stopped(&self, stage: Stage, cause: Cause) {
        self.notes().stopped = Some((stage, cause));
    }

    /// Where the request is, if anywhere in particular.
    pub(crate) fn open_stage(&self) -> Option<Stage> {
        self.notes().spent.stage()
    }

    /// Where the request is.
    pub(super) fn stage(&self) -> Stage {
        self.open_stage().unwrap_or(Stage::Handler)
    }

    /// Never held across an await.
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// Why it was stopped, and where if that is known.
    pub(super) fn stop(&self) -> Option<(Option<Stage>, Cause)> {
        let by_layer = self.stopped.map(|(stage, cause)| (Some(stage), cause));
        by_layer.or_else(|| Some((None, self.journey.as_ref()?.cause()?)))
    }

    /// Which way the request took.
    pub(super) fn tell_way(&self, line: &mut Line) {
        let text = |key, text: &str| (key, Value::text(text));
        line.extend(self.route.as_deref().map(|route| text("route", route)));
        line.extend(self.policy.as_ref().map(|policy| text("policy", policy.as_str())));
        if !self.passed.is_empty() {
            line.push(("passed", Value::Passed(self.passed.clone())));
        }
        line.extend(self.upstream.as_deref().map(|upstream| text("upstream", upstream)));
        line.push(("attempts", Value::Number(self.attempts.into())));
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        self.record.leave(self.stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_record_is_found_where_it_was_put_and_a_clone_is_the_same() {
        let mut extensions = Extensions::new();
        assert!(Record::of(&extensions).is_none());
        let record = Record::default();
        Noted::within(&mut extensions).record = Some(record.clone());
        let found = Record::of(&extensions).unwrap();
        for upstream in ["corp", "golang"] {
            found.attempt(&upstream.into());
        }
        found.passed("corp", 404);
        let notes = record.notes();
        assert_eq!((notes.attempts, notes.upstream.as_deref()), (2, Some("golang")));
        assert_eq!(notes.passed, [("corp".to_owned(), "404".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_is_open_until_its_guard_is_dropped() {
        let (record, wait) = (Record::default(), Duration::from_millis(5));
        let open = record.enter(Stage::Backoff);
        assert_eq!(record.stage(), Stage::Backoff);
        advance(wait).await;
        drop(open);
        advance(wait).await;
        assert_eq!(record.stage(), Stage::Handler);
        assert_eq!(record.notes().spent.by_stage(), [(Stage::Backoff, wait)]);
    }
}
