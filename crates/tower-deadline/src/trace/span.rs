//! A span, and what is told in it.
//!
//! Covers its attributes at a stop, its events, and its end, which comes when whoever opened it says so: a journey that
//! somebody keeps does not keep it open. Does not open it: what it has from the start is for its kind.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use http_deadline::{CallEvent, Cause, Deadline, Exceeded, Listener, Stage};
use tracing::field::display;
use tracing::{Level, Span};

use super::context::Recorded;
use super::{TARGET, Within};
use crate::account::Spent;
use crate::timer::now;

/// A span that is open, until it is closed.
#[derive(Debug)]
pub(super) struct Told {
    span: Mutex<Option<Span>>,
    deadline: Option<Deadline>,
    recorded: Recorded,
    /// The stages that are open.
    stages: Mutex<Spent>,
    is_stopped: AtomicBool,
    has_failed: AtomicBool,
}

impl Told {
    /// From here on, its parent stands.
    pub(super) fn of(span: Span, deadline: Option<Deadline>) -> Self {
        let recorded = Recorded::of(&span);
        let (stages, is_stopped, has_failed) = Default::default();
        Self { span: Mutex::new(Some(span)), deadline, recorded, stages, is_stopped, has_failed }
    }

    /// The span; `None` once it is closed.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn enter(&self) -> Option<Within> {
        self.span().map(Span::entered)
    }

    pub(super) fn close(&self) {
        // Dropped without the lock: a subscriber may do anything.
        let _span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// It was stopped in this stage, for this cause. The first word stands.
    pub(super) fn stopped(&self, stage: Stage, cause: Cause) {
        if self.is_stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        self.with(|span| {
            span.record("deadline.stage", stage.as_str());
            span.record("deadline.cause", cause.as_str());
        });
        let kind = if cause == Cause::Deadline { "timeout" } else { cause.as_str() };
        self.failed(kind, &format_args!("{cause} in {stage}"));
    }

    /// The limit that was reached, where it was not known from the start.
    pub(super) fn limit(&self, exceeded: &Exceeded) {
        let origin = exceeded.origin();
        let tell = |span: &Span| {
            span.record("deadline.budget_ms", millis(exceeded.budget()));
            span.record("deadline.origin", origin.kind().as_str());
            span.record("deadline.origin_detail", display(origin.detail()));
        };
        if self.deadline.is_none() {
            self.with(tell);
        }
    }

    /// Why it failed. The first word stands.
    pub(super) fn failed(&self, kind: &str, why: &dyn fmt::Display) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            self.with(|span| {
                span.record("error.type", kind);
                span.record("otel.status_code", "ERROR");
                span.record("otel.status_description", display(why));
            });
        }
    }

    /// What came of it, and whether that is a failure.
    pub(super) fn answered(&self, status: StatusCode, fails: bool) {
        self.with(|span| {
            span.record("http.response.status_code", i64::from(status.as_u16()));
        });
        if fails {
            self.failed(status.as_str(), &"");
        }
    }

    fn with(&self, tell: impl FnOnce(&Span)) {
        if let Some(span) = self.span() {
            tell(&span);
        }
    }

    /// The last stage entered that is still open.
    pub(super) fn last_open(&self) -> Option<Stage> {
        self.stages().stage()
    }

    fn stages(&self) -> MutexGuard<'_, Spent> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_ms(&self) -> Option<i64> {
        self.deadline.map(|deadline| millis(deadline.remaining(now())))
    }

    fn stage(&self, stage: Stage, edge: &'static str) {
        self.with(|span| {
            let (stage, left) = (stage.as_str(), self.left_ms());
            if self.recorded.takes_events() {
                self.recorded.stage(span, stage, edge, left);
            } else {
                tracing::event!(target: TARGET, parent: span, Level::DEBUG, stage, edge, remaining_ms = left);
            }
        });
    }
}

impl Listener for Told {
    fn entered(&self, stage: Stage) {
        self.stages().enter(stage, now());
        self.stage(stage, "entered");
    }

    fn left(&self, stage: Stage) {
        self.stages().leave(stage, now());
        self.stage(stage, "left");
    }

    fn called(&self, event: &CallEvent<'_>) {
        self.with(|span| {
            let (word, left) = (event.as_str(), self.left_ms());
            if self.recorded.takes_events() {
                self.recorded.called(span, event, left);
            } else {
                let error = event.error().map(display);
                tracing::event!(target: TARGET, parent: span, Level::DEBUG, call = word, error, remaining_ms = left);
            }
        });
    }
}

/// In whole milliseconds, cut off: never more than there is. OpenTelemetry knows whole numbers with a sign alone.
pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The methods of RFC 9110 and PATCH: whoever asks cannot make up names.
pub(super) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "CONNECT" => "CONNECT",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}

/// As much of a path as stands in a span.
pub(super) fn path(path: &str) -> &str {
    const LONGEST: usize = 256;
    let end = (0..=LONGEST.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    &path[..end.unwrap_or_default()]
}
