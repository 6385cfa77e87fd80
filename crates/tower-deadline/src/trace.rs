//! Spans of what a request waits for, for whoever subscribes to `tracing` (feature `tracing`).
//!
//! # What it covers
//!
//! - *a request* of [`DeadlineLayer`](crate::DeadlineLayer): a span `request`, from the head to the end of the response
//!   body. Whatever works for the request, handler and body, is polled within it;
//! - *an outgoing call* of [`PropagateLayer`](crate::PropagateLayer), and each attempt of a client of the module
//!   `reqwest`: a span `call`, from the call to the end of the body that came back.
//!
//! Both are of the target [`TARGET`] and of level `INFO`. Their attributes, with the names of OpenTelemetry:
//!
//! | attribute | what it tells |
//! |---|---|
//! | `deadline.budget_ms`, `deadline.remaining_ms` | what was granted, and what was left of it as the span began |
//! | `deadline.origin`, `deadline.origin_detail` | who set the deadline: `header`, `policy` or `code`, and which |
//! | `deadline.policy` | the policy that let the request in |
//! | `deadline.stage`, `deadline.cause` | where it was stopped, and why; `error.type` is `timeout` at a deadline |
//! | `http.request.method`, `http.route`, `url.path`, `server.address`, `server.port`, `peer.service`, `http.response.status_code` | where known. `peer.service` is for a client that knows it to record. A path is cut at 256 bytes, a method that is none of RFC 9110's is `_OTHER` |
//!
//! Each stage that is entered or left, and each step of a call that is told, is an event of its span: `stage` with
//! `stage`, `edge` (`entered`, `left`) and `remaining_ms`, or the [word](crate::CallEvent::as_str) of the step.
//!
//! It does not count and does not log, and it subscribes nobody. A request that no layer let in has no span.
//! While nobody subscribes, a request costs a look at one flag.
//!
//! # OpenTelemetry
//!
//! With the feature `opentelemetry` the events go right into the spans of a `tracing_opentelemetry` layer, whatever level
//! that one takes; else they are events of `tracing`, of level `DEBUG`. A request that comes with a `traceparent` (W3C)
//! goes on with that trace, unless there is a span around it already, as by a layer further out; a malformed one is as
//! good as none. An outgoing call carries the context of its span, and each attempt that of its own (R22). Where nobody
//! has an OpenTelemetry layer, both fields pass as they came.
//!
//! # Examples
//!
//! A line on standard error for each request that takes a span, as it ends:
//!
//! ```
//! use std::time::Duration;
//! use tower_deadline::{DeadlineLayer, Policy, trace};
//! use tracing_subscriber::filter::{LevelFilter, Targets};
//! use tracing_subscriber::fmt::format::FmtSpan;
//! use tracing_subscriber::layer::{Layer, SubscriberExt};
//!
//! let ours = Targets::new().with_target(trace::TARGET, LevelFilter::INFO);
//! let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::CLOSE);
//! let subscriber = tracing_subscriber::registry().with(lines.with_filter(ours));
//! tracing::subscriber::with_default(subscriber, || {
//!     let layer = DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(3))).hop("orders");
//!     // … serve
//! #   let _ = layer;
//! });
//! ```
//!
//! To OpenTelemetry, by whichever exporter the provider has:
//!
//! ```
//! # #[cfg(feature = "opentelemetry")] {
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let provider = SdkTracerProvider::builder().build();
//! let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
//! let subscriber = tracing_subscriber::registry().with(layer);
//! # drop(subscriber);
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "reqwest")]
mod attempts;
mod call;
#[cfg(feature = "opentelemetry")]
mod context;
#[cfg(not(feature = "opentelemetry"))]
#[path = "trace/no_context.rs"]
mod context;
mod request;
mod span;

#[cfg(feature = "reqwest")]
pub(crate) use self::attempts::Attempts;
pub(crate) use self::call::CallSpan;
pub(crate) use self::context::write_current;
pub(crate) use self::request::RequestSpan;
pub(crate) use tracing::span::EnteredSpan as Within;

/// The target of the spans and of their events.
pub const TARGET: &str = "tower_deadline";

/// The route of a request, as it stands in its span. Somebody further out than
/// [`DeadlineLayer`](crate::DeadlineLayer) puts it into the extensions; with the feature `axum-matched-path`, what axum's
/// router matched stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(Arc<str>);

impl Route {
    /// A route of this name, or of this pattern. Of a bounded set: not the path.
    #[must_use]
    pub fn new(route: impl Into<Arc<str>>) -> Self {
        Self(route.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether somebody may want a span: what is made for it alone need not be made where nobody does.
#[must_use]
#[inline]
pub fn is_wanted() -> bool {
    tracing::span_enabled!(target: TARGET, tracing::Level::INFO)
}

/// The trace that a request belongs to. It stands in the extensions of the response, where the request has a span of
/// OpenTelemetry.
///
/// It is written as W3C writes it: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace of the span that the running code works in; `None` where it has none of OpenTelemetry.
    #[must_use]
    pub fn current() -> Option<Self> {
        context::trace_of(&tracing::Span::current())
    }

    /// Its bytes, as they are written.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(feature = "opentelemetry")]
#[cfg(test)]
pub(crate) mod tests;
