//! The span of a request.

use http::Response;
use http_deadline::{Cause, Deadline, Exceeded, Listener, Policy, Stage};
use tracing::Span;
use tracing::field::Empty;

use super::span::{self, Told, millis};
use super::{Route, TARGET, TraceId, Within, context};
use crate::policies::Head;
use crate::timer::now;

/// The span of a request, from its head to the end of its response body.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    told: Told,
    trace: Option<TraceId>,
}

impl RequestSpan {
    /// Of a request that was granted this; `None` where nobody wants it.
    #[inline]
    pub(crate) fn open(head: Head<'_>, policy: &Policy, deadline: Option<Deadline>) -> Option<Self> {
        if super::is_wanted() { Self::opened(head, policy, deadline) } else { None }
    }

    #[cold]
    fn opened(head: Head<'_>, policy: &Policy, deadline: Option<Deadline>) -> Option<Self> {
        let around = Span::current();
        let (method, route, origin) = (span::method(head.method()), route(head), deadline.map(Deadline::origin));
        let span = tracing::info_span!(
            target: TARGET,
            "request",
            "otel.kind" = "server",
            "otel.name" = name(method, route),
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "http.request.method" = method,
            "http.route" = route,
            "url.path" = span::path(head.uri().path()),
            "http.response.status_code" = Empty,
            "deadline.policy" = policy.name().as_str(),
            "deadline.budget_ms" = deadline.map(|deadline| millis(deadline.budget())),
            "deadline.remaining_ms" = deadline.map(|deadline| millis(deadline.remaining(now()))),
            "deadline.origin" = origin.map(|origin| origin.kind().as_str()),
            "deadline.origin_detail" = origin.as_ref().map(|origin| display(origin.detail())),
            "deadline.stage" = Empty,
            "deadline.cause" = Empty,
            "error.type" = Empty,
        );
        if span.is_disabled() {
            return None;
        }
        context::adopt(&span, &around, head.headers());
        let trace = context::trace_of(&span);
        Some(Self { told: Told::of(span, deadline), trace })
    }

    /// For as long as what it yields is kept.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Within> {
        self.told.enter()
    }

    pub(crate) fn entered(&self, stage: Stage) {
        self.told.entered(stage);
    }

    pub(crate) fn left(&self, stage: Stage) {
        self.told.left(stage);
    }

    /// It was stopped here, for this cause.
    pub(crate) fn stopped(&self, stage: Stage, cause: Cause) {
        self.told.stopped(stage, cause);
    }

    /// This is its answer, which then tells the trace.
    pub(crate) fn answered<B>(&self, response: &mut Response<B>) {
        if let Some(exceeded) = response.extensions().get::<Exceeded>() {
            self.told.limit(exceeded);
            // By a call of the handler's, or further down.
            self.told.stopped(exceeded.stage(), exceeded.cause());
        }
        self.told.answered(response.status(), response.status().is_server_error());
        self.trace.map(|trace| response.extensions_mut().insert(trace));
    }

    /// The trace that it belongs to.
    pub(crate) fn trace(&self) -> Option<TraceId> {
        self.trace
    }

    pub(crate) fn close(&self) {
        self.told.close();
    }
}

/// `METHOD route`, after the conventions; a method that nobody knows is `HTTP` there.
fn name(method: &str, route: Option<&str>) -> String {
    let method = if method == "_OTHER" { "HTTP" } else { method };
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

fn route(head: Head<'_>) -> Option<&str> {
    let route = head.extensions().get().map(Route::as_str);
    #[cfg(feature = "axum-matched-path")]
    let route = route.or_else(|| head.extensions().get().map(::axum::extract::MatchedPath::as_str));
    route
}
