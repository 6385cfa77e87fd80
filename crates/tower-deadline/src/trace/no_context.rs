//! The context of a span without the feature `opentelemetry`: none.

use http::HeaderMap;
use http_deadline::CallEvent;
use tracing::Span;

use super::TraceId;

/// Where the events of a span go beside `tracing`: nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recorded;

impl Recorded {
    pub(super) fn of(_: &Span) -> Self {
        Self
    }

    /// Whether it takes the events.
    pub(super) fn takes_events(self) -> bool {
        false
    }

    pub(super) fn stage(self, _: &Span, _: &'static str, _: &'static str, _: Option<i64>) {}

    pub(super) fn called(self, _: &Span, _: &CallEvent<'_>, _: Option<i64>) {}
}

pub(super) fn adopt(_: &Span, _: &Span, _: &HeaderMap) {}

pub(super) fn trace_of(_: &Span) -> Option<TraceId> {
    None
}

/// Writes nothing: a `traceparent` passes as it came.
pub(crate) fn write_current(_: &mut HeaderMap) {}

pub(super) fn write(_: &Span, _: &mut HeaderMap) {}
