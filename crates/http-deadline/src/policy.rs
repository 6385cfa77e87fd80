//! What one hop decides.
//!
//! Covers the values and their meaning; [`Policy::admit`] applies them to a request. Does not choose a policy
//! for a request, and does not inherit: each policy says everything that it wants.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::dialect::{Call, is_event_stream};
use crate::{PolicyName, Statuses};

/// What one hop decides: the default, the cap, the floor, the reserve, and what to do when a client errs.
///
/// A policy says nothing until it is told to: without a default timeout, a request without a deadline stays
/// without one.
///
/// ```
/// use http_deadline::{Mode, Policy};
/// use std::time::Duration;
///
/// let payment = Policy::new().named("payment").default_timeout(Duration::from_secs(3));
/// let report = Policy::new()
///     .named("report")
///     .default_timeout(Duration::from_secs(300))
///     .max(Duration::from_secs(600));
/// let trial = payment.clone().mode(Mode::Observe);
/// assert!(trial.is_observed());
/// # let _ = report;
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    name: PolicyName,
    timeout: Option<Duration>,
    pub(crate) max: Option<Duration>,
    pub(crate) min: Duration,
    reserve: Duration,
    statuses: Statuses,
    mode: Mode,
    covers: Option<Covers>,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) on_missing: OnMissing,
    ledger: Ledger,
    outgoing: Outgoing,
}

/// Whether a policy acts, or only records what it would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Admit and propagate, but never answer, abort or withhold a request.
    Observe,
    /// Act.
    #[default]
    Enforce,
}

/// How far a deadline reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Covers {
    /// To the response head.
    Head,
    /// To the end of the response body.
    Body,
}

/// What happens to a request with a malformed deadline field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnInvalid {
    /// It is refused.
    #[default]
    Reject,
    /// The malformed element is dropped, and only that.
    Ignore,
}

/// What happens to a request without a valid deadline field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMissing {
    /// It is let in, with the default timeout if there is one.
    #[default]
    Allow,
    /// It is refused.
    Reject,
}

/// Whether this hop tells, in the response, where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ledger {
    /// It adds nothing.
    #[default]
    Off,
    /// It adds its entry, for whoever is inside: a proxy takes it out of what strangers get.
    Inside,
    /// It adds its entry, for anybody.
    Public,
}

/// What happens to an outgoing call for which no deadline is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outgoing {
    /// It is sent without one.
    #[default]
    Allow,
    /// It fails, and is not sent.
    Require,
}

impl Policy {
    /// A policy without any limit, named `default`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: PolicyName::DEFAULT,
            timeout: None,
            max: None,
            min: Duration::ZERO,
            reserve: Duration::ZERO,
            statuses: Statuses::default(),
            mode: Mode::default(),
            covers: None,
            on_invalid: OnInvalid::default(),
            on_missing: OnMissing::default(),
            ledger: Ledger::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// The name, for origins, labels and logs.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = PolicyName::new(name);
        self
    }

    /// The budget of a request whose client asked for none. Without a [`max`](Self::max) it is also the most
    /// that a client can ask for: a header shortens and does not lengthen (R7).
    #[must_use]
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The most that a client can ask for, also beyond the default (R7). A request without a default is
    /// bounded by it too.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = Some(max);
        self
    }

    /// The least budget worth starting with: below it a request is refused at arrival, not raised (R7).
    #[must_use]
    pub fn min(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// What is kept back from outgoing calls, so that time is left to answer (R21).
    #[must_use]
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// The status of the answer to a request whose deadline passed before its response head. 504 by default.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.statuses.status = status;
        self
    }

    /// The status of the answer where the deadline passed in the wait for a connection (stage `pool`): that of
    /// [`status`](Self::status) by default. What says 503 is answered as overload is, with `Retry-After` and, to gRPC,
    /// code 8 (`RESOURCE_EXHAUSTED`) in place of 4: the request was never sent, and there were too many of them.
    #[must_use]
    pub fn pool_status(mut self, status: StatusCode) -> Self {
        self.statuses.pool = Some(status);
        self
    }

    /// Whether the policy acts. It does by default.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How far a default deadline reaches, whatever the response is. See [`covers_body`](Self::covers_body)
    /// for what holds without it.
    #[must_use]
    pub fn covers(mut self, covers: Covers) -> Self {
        self.covers = Some(covers);
        self
    }

    /// What happens to a request with a malformed deadline field. It is refused by default.
    #[must_use]
    pub fn on_invalid(mut self, on_invalid: OnInvalid) -> Self {
        self.on_invalid = on_invalid;
        self
    }

    /// What happens to a request without a valid deadline field. It is let in by default.
    #[must_use]
    pub fn on_missing(mut self, on_missing: OnMissing) -> Self {
        self.on_missing = on_missing;
        self
    }

    /// Whether each response has an entry in its [`Server-Timing`](crate::dialect::server_timing) that tells where the
    /// time went. It has none by default.
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// What happens to an outgoing call within a request of this policy, for which no deadline is found (R21). It is sent
    /// by default.
    #[must_use]
    pub fn outgoing(mut self, outgoing: Outgoing) -> Self {
        self.outgoing = outgoing;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> PolicyName {
        self.name
    }

    /// The budget of a request whose client asked for none.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The most that a client can ask for: the cap, or the default without one.
    #[must_use]
    pub fn cap(&self) -> Option<Duration> {
        self.max.or(self.timeout)
    }

    /// The least budget that is let in; zero without a [`min`](Self::min).
    #[must_use]
    pub fn least(&self) -> Duration {
        self.min
    }

    /// What is kept back from outgoing calls.
    #[must_use]
    pub fn reserved(&self) -> Duration {
        self.reserve
    }

    /// The status of the answer to a request whose deadline passed.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.statuses.status
    }

    /// The status of the answer to a request whose deadline passed in the wait for a connection.
    #[must_use]
    pub fn pool_status_code(&self) -> StatusCode {
        self.statuses.pool.unwrap_or(self.statuses.status)
    }

    /// Both statuses, and which of them belongs to what was stopped.
    #[must_use]
    pub fn statuses(&self) -> Statuses {
        self.statuses
    }

    /// Whether it only records.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.mode == Mode::Observe
    }

    /// How far every deadline reaches; `None` where it depends on the response, as [`covers_body`](Self::covers_body) has
    /// it.
    #[must_use]
    pub fn covered(&self) -> Option<Covers> {
        self.covers
    }

    /// Whether a request with a malformed deadline field is refused.
    #[must_use]
    pub fn rejects_invalid(&self) -> bool {
        self.on_invalid == OnInvalid::Reject
    }

    /// Whether a request without a valid deadline field is refused.
    #[must_use]
    pub fn rejects_missing(&self) -> bool {
        self.on_missing == OnMissing::Reject
    }

    /// Whether each response tells where the time went, and to whom.
    #[must_use]
    pub fn ledgered(&self) -> Ledger {
        self.ledger
    }

    /// Whether an outgoing call without a deadline fails.
    #[must_use]
    pub fn requires_outgoing(&self) -> bool {
        self.outgoing == Outgoing::Require
    }

    /// Whether the deadline of a request reaches to the end of the response with these headers (R18).
    ///
    /// A deadline that the client asked for does. One that only the default gave does too, but for event
    /// streams, gRPC and streams of Connect, which live as long as they are read, and where
    /// [`covers`](Self::covers) says otherwise.
    #[must_use]
    pub fn covers_body(&self, client_asked: bool, response: &HeaderMap) -> bool {
        let long_lived = || Call::of(response).is_long_lived() || is_event_stream(response);
        client_asked
            || match self.covers {
                Some(covers) => covers == Covers::Body,
                None => !long_lived(),
            }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn response(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        headers
    }

    // R18
    #[test]
    fn a_default_deadline_leaves_streams_alone_and_a_clients_does_not() {
        let policy = Policy::new();
        for (content_type, covered) in [
            ("text/html", true),
            ("text/event-stream", false),
            ("application/grpc+proto", false),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/connect+proto", false),
            ("application/proto", true),
        ] {
            assert_eq!(policy.covers_body(false, &response(content_type)), covered, "{content_type}");
            assert!(policy.covers_body(true, &response(content_type)), "{content_type}");
        }
    }

    #[test]
    fn a_route_that_says_what_is_covered_is_believed_but_for_the_clients_word() {
        let head = Policy::new().covers(Covers::Head);
        assert!(!head.covers_body(false, &response("text/html")));
        assert!(head.covers_body(true, &response("text/html")));
        assert!(Policy::new().covers(Covers::Body).covers_body(false, &response("text/event-stream")));
    }
}
