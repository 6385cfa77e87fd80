//! Traces: spans of requests and of their attempts, handed to a collector of OpenTelemetry.
//!
//! Covers which of the spans of [`tower_deadline`] are kept, and their way to the collector. What they tell is said there.
//! A request that no route takes, or that is refused before its route is known, has no span. Does not cover the spans of
//! anything else in this process.
//!
//! # What is kept
//!
//! A request that belongs to a trace already, by its `traceparent`, is kept where that says so; of those that begin one, the
//! share that the [`Settings`] say. That is all of them by default: whoever names a collector wants to see, and which were
//! the slow ones is known only there, at their end.
//!
//! # The way to the collector
//!
//! A thread of its own exports, in batches, and no worker waits for it. Spans that it cannot keep up with are dropped, and
//! counted as `deadline_proxy_spans_dropped_total`, as those are that the collector does not take. That a collector is not
//! there is told once, and once more when it is again. A proxy that stops exports what it has.
//!
//! Secrets that a collector asks for are not settings: they are read from the environment, by the name that
//! OpenTelemetry gave them, `OTEL_EXPORTER_OTLP_HEADERS` (`api-key=…,tenant=…`).

#[cfg(feature = "otlp")]
mod batch;
#[cfg(not(feature = "otlp"))]
#[path = "traces/none.rs"]
mod otlp;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod queue;
mod settings;

pub(crate) use self::otlp::{ARE_BUILT, TraceId, Traces, note_route, note_upstream};
pub use self::settings::{Endpoint, Protocol, SERVICE, Settings};
