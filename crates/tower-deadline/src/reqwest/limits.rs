//! Which limit ended a call.
//!
//! Covers the limits of one call, how long each is and where it was set, and a clock that runs for one of them.
//! Does not know what is waited for.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_deadline::{Cause, Deadline, Exceeded, Origin, Stage};

use crate::now;
use crate::timer::Timer;

/// A limit of an outgoing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The deadline of the whole call: every attempt, and the response body.
    Total,
    /// Making one connection: name, socket, proxy and TLS.
    Connect,
    /// Waiting for a response head once connected, and for each part of its body.
    Read,
}

impl Limit {
    /// Its name, as in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Connect => "connect",
            Self::Read => "read",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which limit ended a call, how long it is, and where it was set.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use reqwest::{Client, Method, Request};
/// use std::time::Duration;
/// use tower_deadline::reqwest::{Limit, LimitReached, WithDeadline};
/// use tower_deadline::{Deadline, PropagateLayer, now};
///
/// let client = PropagateLayer::new().reqwest().build(Client::builder())?;
/// let request = Request::new(Method::GET, "http://127.0.0.1:9/".parse()?);
/// let passed = Deadline::after(now(), Duration::ZERO);
/// let error = client.execute(WithDeadline::new(request, passed)).await.err().ok_or("an answer")?;
/// let reached = LimitReached::find(&error).ok_or("no limit")?;
/// assert_eq!((reached.limit(), reached.length()), (Limit::Total, Duration::ZERO));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    limit: Limit,
    length: Duration,
    origin: Origin,
}

impl LimitReached {
    #[track_caller]
    pub(super) fn new(limit: Limit, length: Duration) -> Self {
        Self { limit, length, origin: Origin::code() }
    }

    /// Which of the limits.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// How long it is; for [`Limit::Total`] the budget of the deadline.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Where it was set: the line that set it, or whoever set the deadline.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Looks for the limit that an error tells of, in it and the chain of its sources: an error of the call, or
    /// one of reading the response body.
    #[must_use]
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let exceeded = Exceeded::find(error)?;
        let total = || Self { limit: Limit::Total, length: exceeded.budget(), origin: exceeded.origin() };
        let part = exceeded.source().and_then(|source| source.downcast_ref()).copied();
        part.or_else(|| Some(total()).filter(|_| exceeded.cause() == Cause::Deadline))
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} limit of {:?} reached; set by {}", self.limit, self.length, self.origin)
    }
}

impl Error for LimitReached {}

/// A limit whose time runs.
#[derive(Debug)]
pub(super) struct Running {
    limit: LimitReached,
    deadline: Deadline,
    timer: Timer,
}

impl Running {
    /// From now on.
    pub(super) fn start(limit: LimitReached) -> Self {
        let deadline = Deadline::after(now(), limit.length).with_origin(limit.origin);
        Self { limit, deadline, timer: Timer::default() }
    }

    /// Ready once it is reached, with what to report.
    pub(super) fn poll_reached(&mut self, stage: Stage, cx: &mut Context<'_>) -> Poll<Exceeded> {
        ready!(self.timer.poll_reached(self.deadline.instant(), cx));
        let exceeded = Exceeded::new(self.deadline, stage, Cause::Deadline, now());
        Poll::Ready(exceeded.with_source(Arc::new(self.limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MS;
    use std::io;
    use std::task::Waker;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn is_reached_at_the_instant_and_tells_which_how_long_and_where() {
        let (limit, line) = (LimitReached::new(Limit::Read, 300 * MS), line!());
        let mut running = Running::start(limit);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(running.poll_reached(Stage::Upstream, &mut cx).is_pending());
        advance(299 * MS).await;
        assert!(running.poll_reached(Stage::Upstream, &mut cx).is_pending());
        advance(MS).await;
        let Poll::Ready(exceeded) = running.poll_reached(Stage::Upstream, &mut cx) else { panic!("not reached") };
        assert_eq!((exceeded.budget(), exceeded.elapsed()), (300 * MS, 300 * MS));
        assert_eq!(exceeded.origin(), limit.origin());
        assert_eq!(LimitReached::find(&io::Error::other(exceeded)), Some(limit));
        let told = format!("read limit of 300ms reached; set by code {}:{line}", file!());
        assert_eq!(limit.to_string(), told);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_the_total_and_another_cause_is_no_limit() {
        let deadline = Deadline::after(now(), 300 * MS);
        let found = |cause| LimitReached::find(&Exceeded::new(deadline, Stage::Upstream, cause, now()));
        let total = LimitReached { limit: Limit::Total, length: 300 * MS, origin: deadline.origin() };
        assert_eq!(found(Cause::Deadline), Some(total));
        assert_eq!(found(Cause::ClientGone), None);
        assert_eq!(LimitReached::find(&io::Error::other("else")), None);
    }
}
