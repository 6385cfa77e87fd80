//! The typed answer to "why did it stop".

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dialect::trail::Trail;
use crate::{Cause, Deadline, Origin, Stage};

/// A request was stopped: where, why, by whose deadline, and what it had spent.
///
/// It is the error of the layers, and it stands in the extensions of the response that they answer with.
///
/// ```
/// use http_deadline::{Cause, Deadline, Exceeded, Stage};
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let deadline = Deadline::after(now, Duration::from_millis(300));
/// let exceeded = Exceeded::new(deadline, Stage::Handler, Cause::Deadline, now + Duration::from_millis(301));
/// assert_eq!(exceeded.stage(), Stage::Handler);
/// assert_eq!(exceeded.elapsed(), Duration::from_millis(301));
///
/// // Found again behind any number of wrappers.
/// let error: Box<dyn std::error::Error> = Box::new(std::io::Error::other(exceeded));
/// assert!(Exceeded::find(&*error).is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Exceeded {
    stage: Stage,
    cause: Cause,
    origin: Origin,
    budget: Duration,
    elapsed: Duration,
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Behind a pointer: errors are moved a lot, and most of them have none.
    trail: Option<Arc<Trail>>,
}

impl Exceeded {
    /// The request of this deadline was stopped in this stage, for this cause, at `now`.
    #[must_use]
    pub fn new(deadline: Deadline, stage: Stage, cause: Cause, now: Instant) -> Self {
        Self {
            stage,
            cause,
            origin: deadline.origin(),
            budget: deadline.budget(),
            elapsed: deadline.elapsed(now),
            source: None,
            trail: None,
        }
    }

    /// The same, with an error of the caller's as its source.
    #[must_use]
    pub fn with_source(self, source: Arc<dyn Error + Send + Sync>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The same, stopped by a hop downstream that told this.
    #[must_use]
    pub fn with_trail(self, trail: Trail) -> Self {
        Self { trail: Some(Arc::new(trail)), ..self }
    }

    /// What the hop that stopped the request has told, where that is not this one. [`stage`](Self::stage) is where it was
    /// here: in a call.
    #[must_use]
    pub fn trail(&self) -> Option<&Trail> {
        self.trail.as_deref()
    }

    /// Where the request was.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Why it stopped.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Who set the deadline.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The whole time that was granted at arrival.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// The time from arrival to the stop.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Looks for one in an error and the chain of its sources.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = behind(error);
        }
        None
    }
}

/// The next error of a chain. An `io::Error` shows the sources of what it holds, but not that itself.
fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let io = error.downcast_ref::<std::io::Error>();
    match io.and_then(std::io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Deadline => write!(f, "deadline of {:?} exceeded", self.budget)?,
            cause => write!(f, "stopped ({cause}) within a deadline of {:?}", self.budget)?,
        }
        let Self { stage, elapsed, origin, .. } = self;
        write!(f, " in stage {stage} after {elapsed:?}; set by {origin}")?;
        let Some(trail) = self.trail() else { return Ok(()) };
        write!(f, "; stopped by {} in stage {}", trail.hop().unwrap_or("the hop that was called"), trail.stage())
    }
}

impl Error for Exceeded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use crate::{Dialect, OriginKind};
    use std::io;

    fn exceeded(cause: Cause) -> Exceeded {
        let now = Instant::now();
        let deadline =
            Deadline::after(now, Duration::from_millis(300)).with_origin(Origin::Header(Dialect::XRequestTimeout));
        Exceeded::new(deadline, Stage::Upstream, cause, now + Duration::from_millis(301))
    }

    #[test]
    fn says_where_why_and_by_whose_word() {
        assert_eq!(
            exceeded(Cause::Deadline).to_string(),
            "deadline of 300ms exceeded in stage upstream after 301ms; set by header x-request-timeout"
        );
        assert_eq!(
            exceeded(Cause::ClientGone).to_string(),
            "stopped (client_gone) within a deadline of 300ms in stage upstream after 301ms; \
             set by header x-request-timeout"
        );
    }

    #[test]
    fn a_stop_further_down_is_told_with_it() {
        let told = Trail::new(OriginKind::Header, Stage::Database, Cause::Deadline, Some("payments"));
        let exceeded = exceeded(Cause::Deadline).with_trail(told.clone());
        assert_eq!((exceeded.trail(), exceeded.stage()), (Some(&told), Stage::Upstream));
        let words = exceeded.to_string();
        assert!(words.ends_with("header x-request-timeout; stopped by payments in stage database"), "{words}");
        assert!(exceeded.clone().with_source(Arc::new(io::Error::other("x"))).trail().is_some());
    }

    #[test]
    fn is_found_behind_wrappers_and_only_there() {
        let wrapped = io::Error::other(io::Error::other(exceeded(Cause::Deadline)));
        assert!(Exceeded::find(&wrapped).is_some());
        assert!(Exceeded::find(&io::Error::other("else")).is_none());
    }

    #[test]
    fn carries_the_callers_error_as_its_source() {
        let detail = Arc::new(io::Error::other("lost the lease"));
        let with = exceeded(Cause::Cancelled).with_source(detail);
        assert_eq!(with.source().map(ToString::to_string).as_deref(), Some("lost the lease"));
        assert!(exceeded(Cause::Cancelled).source().is_none());
    }
}
