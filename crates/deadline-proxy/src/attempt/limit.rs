//! The most that one attempt may take.
//!
//! Covers an attempt from its beginning to the head of its answer: then there is no other attempt to make, and only the
//! deadline of the request counts. The upstream is told the sooner of the two (R21).

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::iter::successors;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Extensions, Request};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_deadline::{
    BoxError, Cause, Deadline, Exceeded, Journey, Origin, Policy, PolicyName, PropagateError, Stage, now,
};

use super::TRY_LIMIT;
use crate::count;
use crate::upstream::Allotted;

/// How long a silence has to be that says something, where nobody has set what is usual: as long as with connecting.
const FAIR: Duration = Duration::from_secs(1);

/// The most that one attempt at an upstream may take, as it was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TryLimit {
    length: Duration,
    /// What is told of it: an operator set it, for this upstream.
    origin: Origin,
}

impl TryLimit {
    /// For each try at this upstream. There is a name for each of them, for the life of the process.
    pub(crate) fn new(length: Duration, upstream: &str) -> Self {
        Self { length, origin: Origin::Policy(PolicyName::new(&format!("try_timeout of {upstream}"))) }
    }
}

/// What one attempt is held to, beside the deadline of its request.
#[derive(Debug)]
pub(crate) struct Limit {
    /// As it was set, whether or not the request has less left.
    set: Option<Duration>,
    /// `None` where the request has less left.
    deadline: Option<Deadline>,
    /// What the policy sets aside is taken off what is told, and is no part of the limit: it is there for what we have
    /// to do once the request is at its end.
    reserve: Duration,
    is_written: AtomicBool,
}

/// The limit of an attempt has passed.
#[derive(Debug)]
pub(crate) struct Late {
    exceeded: Exceeded,
    /// Whether the upstream may have begun to do what it was asked.
    pub(super) is_written: bool,
}

impl Late {
    /// The first in a chain of causes.
    pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within the {:?} that one attempt may take", self.exceeded.budget())
    }
}

impl Error for Late {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.exceeded)
    }
}

impl Limit {
    /// For an attempt of the request with these extensions, which begins now.
    pub(crate) fn new(limit: Option<TryLimit>, extensions: &Extensions) -> Self {
        let deadline = binding(limit, extensions);
        compare(limit, extensions);
        Self {
            set: limit.map(|limit| limit.length),
            deadline,
            reserve: reserve(extensions),
            is_written: AtomicBool::new(false),
        }
    }

    /// Has to be called when the request is about to be written, around whatever writes what is left: there may be less.
    /// Returns what the endpoint is given.
    ///
    /// # Errors
    ///
    /// That of `write`, and [`Late`] where nothing but the limit is at its end.
    pub(crate) fn tell<B>(
        &self,
        request: &mut Request<B>,
        write: impl FnOnce(&mut Request<B>) -> Result<(), PropagateError>,
    ) -> Result<Allotted, PropagateError> {
        let limit = self.deadline.filter(|limit| self.shorten(request.extensions_mut(), *limit));
        match (write(request), limit) {
            (Ok(()), _) => {
                self.is_written.store(true, Ordering::Relaxed);
                Ok(self.allotted(request.extensions()))
            }
            (Err(PropagateError::Exceeded(_)), Some(limit)) => Err(PropagateError::Inner(self.late(limit).into())),
            (Err(error), _) => Err(error),
        }
    }

    /// Silence is the endpoint's failure once the limit has passed, or what there is of the deadline.
    ///
    /// A client that asks for less than is usual here must not have an endpoint left out that is well. So fair is half
    /// of what whoever runs this has set for it: half, because what comes from another hop has spent a part of the same.
    fn allotted(&self, extensions: &Extensions) -> Allotted {
        let policy = extensions.get().map(Journey::policy);
        let until = self.deadline.map(Deadline::instant).or_else(|| {
            // What is only observed stops nothing. Half of the reserve is taken off the wait.
            let is_observed = policy.is_some_and(Policy::is_observed);
            let deadline: Option<&Deadline> = extensions.get().filter(|_| !is_observed);
            deadline.map(|deadline| deadline.reserve(self.reserve / 2).instant())
        });
        let usual = self.set.into_iter().chain(policy.and_then(Policy::timeout)).min();
        let fair = usual.map_or(FAIR, |usual| usual / 2);
        until.map_or_else(Allotted::default, |until| Allotted::until(until, fair))
    }

    /// Returns whether the limit is what is told.
    fn shorten(&self, extensions: &mut Extensions, limit: Deadline) -> bool {
        let told = limit.budget().saturating_add(self.reserve);
        let told = Deadline::after(limit.arrived(), told).with_origin(limit.origin());
        let left = extensions.get_or_insert_with(|| told);
        *left = told.sooner(*left);
        *left == told
    }

    /// Waits for the head of an answer, and no longer than this. Dropping the future cancels the attempt.
    pub(crate) fn hold<T, E: Into<BoxError>, F: Future<Output = Result<T, E>>>(
        &self,
        mut attempt: Pin<&mut F>,
    ) -> impl Future<Output = Result<T, BoxError>> {
        let mut timer = None::<Pin<Box<Sleep>>>;
        poll_fn(move |cx| {
            // R11: value before timer.
            if let Poll::Ready(answer) = attempt.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(Into::into));
            }
            let Some(deadline) = self.deadline else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::from_std(deadline.instant()))));
            // Nothing inside can starve it.
            pin!(unconstrained(timer)).poll(cx).map(|()| Err(self.late(deadline).into()))
        })
    }

    fn late(&self, deadline: Deadline) -> Late {
        let exceeded = Exceeded::new(deadline, Stage::Upstream, Cause::Deadline, now());
        Late { exceeded, is_written: self.is_written.load(Ordering::Relaxed) }
    }
}

/// The limit of an attempt that begins now; `None` where the request has less left.
pub(super) fn binding(limit: Option<TryLimit>, extensions: &Extensions) -> Option<Deadline> {
    let limit = limit.filter(|limit| left(extensions).is_none_or(|left| limit.length < left))?;
    Some(Deadline::after(now(), limit.length).with_origin(limit.origin))
}

/// Counts what the limit that somebody set does to the deadline that the request has.
fn compare(limit: Option<TryLimit>, extensions: &Extensions) {
    let set = limit.map(|limit| limit.length).filter(|limit| *limit != TRY_LIMIT);
    if let Some((limit, left)) = set.and_then(|limit| Some((limit, left(extensions)?))) {
        count::local_limit(limit < left);
    }
}

/// What is left for whoever is asked; `None` where nothing bounds it.
pub(super) fn left(extensions: &Extensions) -> Option<Duration> {
    let policy = extensions.get().map(Journey::policy);
    let deadline: &Deadline = extensions.get()?;
    // What is only observed withholds nothing.
    let counts = policy.is_none_or(|policy| !policy.is_observed());
    counts.then(|| deadline.reserve(reserve(extensions)).remaining(now()))
}

fn reserve(extensions: &Extensions) -> Duration {
    extensions.get().map(|journey: &Journey| journey.policy().reserved()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::sleep;
    use tower_deadline::Mode;

    const MS: Duration = Duration::from_millis(1);

    fn within(time: Duration, mode: Mode) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Journey::new(Policy::new().mode(mode).into(), true));
        extensions.insert(Deadline::after(now(), time));
        extensions
    }

    fn own(length: Duration) -> Option<TryLimit> {
        Some(TryLimit::new(length, "golang"))
    }

    async fn held(limit: &Limit, took: Duration) -> Result<(), BoxError> {
        let attempt = async {
            sleep(took).await;
            Ok::<_, BoxError>(())
        };
        limit.hold(pin!(attempt)).await
    }

    // R11
    #[tokio::test(start_paused = true)]
    async fn an_answer_at_the_very_instant_is_one() {
        for (took, is_late) in [(99, false), (100, false), (101, true)] {
            let limit = Limit::new(own(100 * MS), &Extensions::new());
            assert_eq!(held(&limit, took * MS).await.is_err(), is_late, "{took}");
        }
        assert!(held(&Limit::new(None, &Extensions::new()), 1_000_000 * MS).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sooner_of_both_is_told() {
        for (limit, left, mode, told) in [
            (Some(100), 200, Mode::Enforce, 100),
            (Some(200), 200, Mode::Enforce, 200),
            (Some(300), 200, Mode::Enforce, 200),
            (None, 200, Mode::Enforce, 200),
        ] {
            let mut request = Request::new(());
            *request.extensions_mut() = within(left * MS, mode);
            let limit = Limit::new(limit.and_then(|limit| own(limit * MS)), request.extensions());
            limit.tell(&mut request, |_| Ok(())).unwrap();
            let found: &Deadline = request.extensions().get().unwrap();
            assert_eq!(found.remaining(now()), told * MS);
        }
        let mut bare = Request::new(());
        Limit::new(own(MS), bare.extensions()).tell(&mut bare, |_| Ok(())).unwrap();
        assert_eq!(bare.extensions().get::<Deadline>().unwrap().budget(), MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_the_deadline_of_the_request_is_none() {
        for (mode, is_held) in [(Mode::Enforce, false), (Mode::Observe, true)] {
            let limit = Limit::new(own(100 * MS), &within(50 * MS, mode));
            let held = tokio::time::timeout(1000 * MS, limit.hold(pin!(pending::<Result<(), BoxError>>()))).await;
            assert_eq!(held.is_ok(), is_held, "{mode:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_what_is_usual_is_fair() {
        let set = Policy::new().default_timeout(3000 * MS);
        let observed = set.clone().mode(Mode::Observe);
        let reserved = set.clone().reserve(100 * MS);
        // The limit of a try, the policy, and what is left; until when it counts, and what is fair, in milliseconds.
        let cases = [
            (None, Policy::new(), Some(200), Some(200), 1000),
            (None, Policy::new(), None, None, 0),
            (None, set.clone(), Some(200), Some(200), 1500),
            (None, reserved, Some(200), Some(150), 1500),
            (None, observed.clone(), Some(200), None, 0),
            (Some(80), observed, Some(200), Some(80), 40),
            (Some(80), set.clone(), Some(200), Some(80), 40),
            (Some(400), set.clone(), Some(200), Some(200), 200),
            (Some(9000), set, Some(8000), Some(8000), 1500),
        ];
        for (limit, policy, left, until, fair) in cases {
            let mut request = Request::new(());
            request.extensions_mut().insert(Journey::new(policy.into(), true));
            if let Some(left) = left {
                request.extensions_mut().insert(Deadline::after(now(), left * MS));
            }
            let allotted = Limit::new(limit.and_then(|limit| own(limit * MS)), request.extensions());
            let allotted = allotted.tell(&mut request, |_| Ok(())).unwrap();
            let expected = until.map(|until| Allotted::until(now() + until * MS, fair * MS)).unwrap_or_default();
            assert_eq!(allotted, expected, "{limit:?} {left:?} {until:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whether_it_was_written_is_known() {
        for is_written in [false, true] {
            let limit = Limit::new(own(MS), &Extensions::new());
            if is_written {
                limit.tell(&mut Request::new(()), |_| Ok(())).unwrap();
            }
            let error = held(&limit, 2 * MS).await.unwrap_err();
            assert_eq!(Late::find(&*error).map(|late| late.is_written), Some(is_written));
            assert_eq!(error.to_string(), "no answer within the 1ms that one attempt may take");
        }
    }
}
