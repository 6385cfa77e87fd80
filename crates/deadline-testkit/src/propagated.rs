//! "This service propagated": what left against what had arrived.
//!
//! Covers the deadline fields of every dialect but the absolute one (an instant, which takes a wall clock to judge):
//! what a [`SentProbe`] saw leave is above zero, not more than what had arrived, not doubled, and not stale. Does
//! not cover whether the wait for the answer was bounded too.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, Request};
use http_deadline::dialect::Malformed;
use http_deadline::{Dialect, Dialects};

/// Remembers the fields of the requests that a client was handed. A clone is the same probe.
///
/// ```
/// use deadline_testkit::SentProbe;
/// use http::Request;
///
/// let sent = SentProbe::default();
/// sent.saw(&Request::get("/").header("x-request-timeout", "80ms").body(())?);
/// assert_eq!(sent.headers().len(), 1);
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SentProbe(Arc<Mutex<Vec<HeaderMap>>>);

impl SentProbe {
    /// A scripted client says what it was handed.
    pub fn saw<B>(&self, request: &Request<B>) {
        self.lock().push(request.headers().clone());
    }

    /// The fields of each request, in the order of sending.
    #[must_use]
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<HeaderMap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each request that left carries a deadline: above zero, not more than what was left of the strictest one that
/// had arrived, each field once, and none of them stale.
///
/// `spent` is how much time had passed at least, from the arrival to the first request that left: a field that was
/// passed on as it came is found by that. Zero says nothing about it. A field is stale, too, where another one of
/// the same request says less, by more than the grain of its dialect.
///
/// ```
/// use deadline_testkit::assert_propagated;
/// use http::Request;
/// use std::time::Duration;
///
/// let arrived = Request::get("/").header("x-request-timeout", "300ms").body(())?;
/// let sent = Request::get("/").header("x-request-timeout", "80ms").body(())?;
/// assert_propagated(arrived.headers(), Duration::from_millis(200), &[sent.headers().clone()]);
/// # Ok::<_, http::Error>(())
/// ```
///
/// ```should_panic
/// # use deadline_testkit::assert_propagated;
/// # use http::Request;
/// # use std::time::Duration;
/// // Passed on as it came, though 200 ms of it were spent.
/// let arrived = Request::get("/").header("x-request-timeout", "300ms").body(()).unwrap();
/// assert_propagated(arrived.headers(), Duration::from_millis(200), &[arrived.headers().clone()]);
/// ```
///
/// # Panics
///
/// Where nothing was sent, and where a request that was sent is not so.
#[track_caller]
pub fn assert_propagated(arrived: &HeaderMap, spent: Duration, sent: &[HeaderMap]) {
    let budget = Dialects::default().read(arrived, UNIX_EPOCH).strictest().map(|(budget, _)| budget);
    let left = budget.map_or(Duration::MAX, |budget| budget.saturating_sub(spent));
    assert!(!sent.is_empty(), "nothing was sent");
    for (at, headers) in sent.iter().enumerate() {
        let timeouts = timeouts(headers);
        assert!(timeouts.iter().all(|field| field.count == 1), "request {at} has a doubled field: {timeouts:?}");
        assert!(timeouts.iter().all(|field| field.timeout.is_ok()), "request {at} has a malformed field: {timeouts:?}");
        let least = timeouts.iter().filter_map(Field::decoded).min();
        assert!(least.is_some(), "request {at} carries no deadline");
        assert!(least > Some(Duration::ZERO), "request {at} carries a deadline of zero: {timeouts:?}");
        let too_much = timeouts.iter().find(|field| field.decoded() > Some(left));
        assert!(too_much.is_none(), "request {at} grants more than the {left:?} that are left: {too_much:?}");
        let stale = timeouts.iter().find(|field| field.is_stale(least.unwrap_or_default()));
        assert!(stale.is_none(), "request {at} has a stale field: {stale:?} among {timeouts:?}");
    }
}

/// What one dialect says in a request.
struct Field {
    dialect: Dialect,
    count: usize,
    /// `None` where the dialect means "no limit" by it.
    timeout: Result<Option<Duration>, Malformed>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialect, count, timeout } = self;
        write!(f, "{dialect}: {timeout:?}, {count} times")
    }
}

impl Field {
    fn decoded(&self) -> Option<Duration> {
        self.timeout.as_ref().ok().copied().flatten()
    }

    /// Whether it says more than `least`, by more than its dialect has to cut off: the strictest is cut too, and
    /// `grpc-timeout` has eight digits.
    fn is_stale(&self, least: Duration) -> bool {
        let grain = Duration::from_millis(1).max(least / 1_000_000);
        self.decoded().is_some_and(|timeout| timeout > least + grain)
    }
}

fn timeouts(headers: &HeaderMap) -> Vec<Field> {
    let relative = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::XRequestDeadline);
    let present = relative.filter_map(|dialect| {
        let values: Vec<_> = headers.get_all(dialect.as_str()).iter().collect();
        let first = values.first()?;
        let timeout = dialect.decode(first.as_bytes(), UNIX_EPOCH);
        Some(Field { dialect, count: values.len(), timeout })
    });
    present.collect()
}

#[cfg(test)]
mod tests;
