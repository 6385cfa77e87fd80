//! The span of an outgoing call.

use std::fmt;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, Uri};
use http_deadline::{Ambient, Cause, Deadline, Exceeded, Journey, Policy, Stage};
use tracing::Span;
use tracing::field::Empty;

use super::span::{self, Told, millis};
use super::{TARGET, Within, context};
use crate::timer::now;
use crate::{BodyError, PropagateError, WatchedBody};

/// The span of an outgoing call, from the call to the end of the body that came back. Dropped before that, it tells why.
pub(crate) struct CallSpan(Box<Calling>);

struct Calling {
    told: Arc<Told>,
    /// The journey that the call is part of.
    around: Option<Journey>,
    is_answered: bool,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub(super) method: &'a Method,
    pub(super) server: Option<&'a str>,
    pub(super) port: Option<u16>,
}

impl<'a> To<'a> {
    /// As far as the address says. A call in origin form has a `Host`, which is whoever's word.
    fn of(method: &'a Method, uri: &'a Uri) -> Self {
        Self { method, server: uri.host(), port: uri.port_u16() }
    }
}

impl CallSpan {
    /// Of a call that is made now, under what was found for it. Its fields then have the context of the span, and its
    /// extensions the journey of this call alone, where somebody wants it.
    #[inline]
    pub(crate) fn open<B>(call: &mut Request<B>, found: Option<&Journey>, deadline: Option<Deadline>) -> Option<Self> {
        if super::is_wanted() { Self::opened(call, found, deadline) } else { None }
    }

    #[cold]
    fn opened<B>(call: &mut Request<B>, found: Option<&Journey>, deadline: Option<Deadline>) -> Option<Self> {
        let around = found.or(call.extensions().get()).or(Ambient::current().journey()).cloned();
        let span = Self::new(To::of(call.method(), call.uri()), around, deadline);
        match &span {
            Some(span) => {
                context::write(&span.span()?, call.headers_mut());
                call.extensions_mut().insert(span.journey());
            }
            None => context::write_current(call.headers_mut()),
        }
        span
    }

    /// Of a call that goes there. Nobody is told to it yet.
    pub(super) fn new(to: To<'_>, around: Option<Journey>, deadline: Option<Deadline>) -> Option<Self> {
        let (origin, method) = (deadline.map(Deadline::origin), span::method(to.method));
        let span = tracing::info_span!(
            target: TARGET,
            "call",
            "otel.kind" = "client",
            "otel.name" = if method == "_OTHER" { "HTTP" } else { method },
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "http.request.method" = method,
            "server.address" = to.server,
            "peer.service" = Empty,
            "server.port" = to.port.map(i64::from),
            "http.response.status_code" = Empty,
            "deadline.policy" = around.as_ref().map(|around| around.policy().name().as_str()),
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
        let told = Arc::new(Told::of(span, deadline));
        Some(Self(Box::new(Calling { told, around, is_answered: false })))
    }

    /// A part of the journey that is this call: what is told on it is told in the span.
    fn journey(&self) -> Journey {
        let alone = || Journey::new(Arc::new(Policy::new()), false);
        let journey = self.0.around.as_ref().map_or_else(alone, Journey::part);
        journey.listen(self.told());
        journey
    }

    pub(super) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.0.told)
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.0.told.span()
    }

    /// For as long as what it yields is kept.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Within> {
        self.0.told.enter()
    }

    /// A head has come back, and the body goes on with the span; or it failed.
    pub(crate) fn came_to<B>(self, outcome: &mut Result<Response<WatchedBody<B>>, PropagateError>) {
        match outcome {
            Ok(response) => self.answered(response),
            Err(error) => self.held(error),
        }
    }

    /// It failed, or was not sent.
    pub(crate) fn held(self, error: &PropagateError) {
        match error {
            PropagateError::Exceeded(exceeded) => self.stopped(exceeded),
            PropagateError::Inner(error) => self.failed(error),
            error => self.failed(error),
        }
    }

    /// The answer leads elsewhere.
    #[cfg(feature = "reqwest")]
    pub(crate) fn redirected(self, status: StatusCode) {
        self.ends(|told| told.answered(status, is_failure(status)));
    }

    /// A head has come back, and the body goes on with the span.
    pub(crate) fn answered<B>(mut self, response: &mut Response<WatchedBody<B>>) {
        let Calling { told, is_answered, .. } = &mut *self.0;
        *is_answered = true;
        if let Some(exceeded) = response.extensions().get::<Exceeded>() {
            told.stopped(exceeded.stage(), exceeded.cause());
        }
        told.answered(response.status(), is_failure(response.status()));
        response.body_mut().tell_in(self);
    }

    /// Its body breaks.
    pub(crate) fn broken(self, error: &BodyError) {
        match error {
            BodyError::Exceeded(exceeded) => self.stopped(exceeded),
            BodyError::Inner(error) => self.failed(error),
        }
    }

    /// It ends at its deadline, before the head or in the body.
    pub(crate) fn stopped(self, exceeded: &Exceeded) {
        self.ends(|told| {
            told.limit(exceeded);
            told.stopped(exceeded.stage(), exceeded.cause());
        });
    }

    /// It failed for another reason.
    pub(crate) fn failed(self, why: &dyn fmt::Display) {
        self.ends(|told| told.failed("_OTHER", why));
    }

    /// The body has come to its end.
    pub(crate) fn ended(self) {
        self.ends(|_| {});
    }

    fn ends(self, tell: impl FnOnce(&Told)) {
        tell(&self.0.told);
        // Then there is nothing left to tell as it is dropped.
        self.0.told.close();
    }
}

/// To whoever calls.
fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

impl Drop for Calling {
    fn drop(&mut self) {
        let cause = self.around.as_ref().and_then(Journey::cause);
        // A body that is let go of may have been read as far as somebody wanted.
        let cause = cause.or(if self.is_answered { None } else { Some(Cause::Cancelled) });
        if let Some(cause) = cause {
            self.told.stopped(self.told.last_open().unwrap_or(Stage::Upstream), cause);
        }
        self.told.close();
    }
}

impl fmt::Debug for CallSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallSpan").field(&self.0.told).finish()
    }
}
