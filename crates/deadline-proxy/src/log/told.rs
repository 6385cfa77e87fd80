//! What is told of requests that were refused or failed here, so that a storm of them is no storm of lines.
//!
//! Covers one event for each, with the reason, and how many there may be: of each reason ten at once, then one a second,
//! which says how many were not told. What the layers of deadlines refuse and stop, they tell themselves.

use std::error::Error;

use http::StatusCode;
use tower_deadline::log::{Limiter, TARGET};
use tower_deadline::now;
use tracing::Level;

use crate::attempt::told;

/// Something was refused before it came to an upstream.
pub(crate) fn refused(reason: &'static str) {
    static TOLD: Limiter = Limiter::new();
    if tracing::enabled!(target: TARGET, Level::INFO)
        && let Some(suppressed) = TOLD.pass(reason, now())
    {
        // INFO: one request fared ill, and whoever sent it was told.
        tracing::info!(target: TARGET, reason, suppressed, "refused");
    }
}

/// A request was sent, or was to be, and this status stands for the answer that did not come. `reason` is one of few.
pub(crate) fn failed(status: StatusCode, reason: &'static str, error: &(dyn Error + 'static)) {
    static TOLD: Limiter = Limiter::new();
    let code = status.as_u16();
    // What a client does wrong, any client can do without end, and an operator can do nothing about.
    if status.is_client_error() {
        tracing::debug!(target: TARGET, status = code, reason, "{}", told(error));
    } else if tracing::enabled!(target: TARGET, Level::WARN)
        && let Some(suppressed) = TOLD.pass(reason, now())
    {
        // WARN: an upstream that requests are meant for does not answer them.
        tracing::warn!(target: TARGET, status = code, reason, suppressed, "{}", told(error));
    }
}

/// An attempt failed, and the request is not lost: another one follows.
pub(crate) fn tried_in_vain(upstream: &str, attempt: u32, error: &(dyn Error + 'static)) {
    static TOLD: Limiter = Limiter::new();
    if tracing::enabled!(target: TARGET, Level::INFO)
        && let Some(suppressed) = TOLD.pass("attempt", now())
    {
        // INFO: the request may fare well; where an endpoint keeps failing, that is told of the endpoint.
        tracing::info!(target: TARGET, upstream, attempt, suppressed, "{}; another attempt follows", told(error));
    }
}

/// A peer that we were told to expect a PROXY header of sends something else.
pub(crate) fn no_proxy_header(error: &dyn Error) {
    static TOLD: Limiter = Limiter::new();
    if let Some(suppressed) = TOLD.pass("proxy_header", now()) {
        // WARN: one of ours is set up otherwise than we were told, and none of its clients is served.
        tracing::warn!(suppressed, "{error}");
    }
}
