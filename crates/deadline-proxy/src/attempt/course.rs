//! The attempts of one request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tokio::time::sleep;
use tower_deadline::{BoxError, Cause, Deadline, Exceeded, Journey, PropagateError, Stage, now};

use super::burden::Burden;
use super::came::Came;
use super::discard::discard;
use super::error::{Unanswered, told};
use super::lent::Lent;
use super::limit::{Late, binding, left};
use super::minute::Period;
use super::next::{Next, Progress};
use super::plan::{Plan, is_safe};
use super::replay::{Replay, Source};
use super::{Outcome, Story};
use crate::access::Record;
use crate::count::{Attempt, Withheld};
use crate::log;
use crate::upstream::Anew;

/// The least that an upstream can be told: whoever has less left sends nothing.
const LEAST: Duration = Duration::from_millis(1);

pub(super) type Answer<B> = Result<Response<B>, PropagateError>;

/// The attempts of a request that may be sent more than once, so far.
#[derive(Debug)]
pub(super) struct Course<RB> {
    plan: Arc<Plan>,
    head: Parts,
    body: Source<RB>,
    is_safe: bool,
    progress: Progress,
    attempts: u32,
    /// When the upstream was asked first.
    since: Period,
    passed: Vec<(Arc<str>, Outcome)>,
    /// The limit of the attempt, where it is less than what is left.
    limit: Option<Deadline>,
    /// Set while an attempt has the head.
    lent: Option<Lent>,
}

/// What is to be done after an attempt.
pub(super) enum Then<B> {
    Done(Answer<B>),
    Again(Again),
}

/// Another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    wait: Duration,
    kind: Attempt,
}

impl<RB> Course<RB>
where
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(super) fn new(plan: &Arc<Plan>, request: Request<RB>) -> Self {
        let is_safe = is_safe(&request);
        let (head, body) = request.into_parts();
        tracing::debug!(target: "explain", "chain: {plan}");
        Self {
            body: Source::new(body, plan.settings.replay),
            plan: Arc::clone(plan),
            head,
            is_safe,
            progress: Progress::default(),
            attempts: 0,
            since: Period::default(),
            passed: Vec::new(),
            limit: None,
            lent: None,
        }
    }

    /// That of a request without a body whose first attempt came to an error, which gave its head back.
    pub(super) fn resumed(plan: &Arc<Plan>, head: Parts, since: Period) -> Self {
        Self {
            plan: Arc::clone(plan),
            head,
            body: Source::Empty,
            is_safe: true,
            progress: Progress::default(),
            attempts: 1,
            since,
            passed: Vec::new(),
            limit: None,
            lent: None,
        }
    }

    /// Which upstream of the chain is asked.
    pub(super) fn link(&self) -> usize {
        self.progress.link
    }

    /// The request of the next attempt, which begins.
    pub(super) fn request(&mut self, kind: Attempt) -> Request<Replay<RB>> {
        self.attempts += 1;
        let step = self.plan.step(self.progress.link);
        self.since = step.burden.ask(kind, self.since);
        tracing::debug!(
            target: "explain",
            "attempt: {}: {}, {}",
            self.attempts,
            step.burden.name(),
            self.left().map_or_else(|| "without a deadline".to_owned(), |left| format!("{}ms left", left.as_millis())),
        );
        self.limit = binding(step.limit, &self.head.extensions);
        if self.progress.is_resent {
            self.head.extensions.insert(Anew);
        }
        Request::from_parts(self.head(), self.body.body())
    }

    fn head(&mut self) -> Parts {
        if !self.plan.is_plain() || self.attempts > 1 {
            return self.head.clone();
        }
        self.lent = Some(Lent::of(&self.head.extensions));
        let (nothing, ()) = Request::new(()).into_parts();
        std::mem::replace(&mut self.head, nothing)
    }

    /// What the attempt had comes back with its error. Returns whether all is there that another one takes.
    fn take_back<B>(&mut self, answer: &mut Answer<B>) -> bool {
        let Some(lent) = self.lent.take() else { return true };
        let back = answer.as_mut().err().and_then(|error| lent.back(error));
        back.map(|back| self.head = back).is_some()
    }

    /// Looks at what an attempt came to. Has to be called within a runtime.
    pub(super) fn after<B>(&mut self, mut answer: Answer<B>) -> Then<B>
    where
        B: Body<Data: Send, Error: Send> + Send + 'static,
    {
        let came = Came::of(&answer, self.limit.is_some());
        let is_whole = self.take_back(&mut answer);
        let (next, withheld) = if is_whole { self.decide(&came) } else { (Next::Answer, None) };
        self.explain(&answer, next, withheld);
        let again = match next {
            Next::Answer | Next::Off => return Then::Done(self.finish(answer, came.outcome, next)),
            Next::Pass => Again { wait: Duration::ZERO, kind: Attempt::Fallback },
            Next::Resend => Again { wait: Duration::ZERO, kind: Attempt::Retry },
            Next::Retry(wait) => Again { wait, kind: Attempt::Retry },
        };
        match answer {
            Ok(response) => discard(response),
            Err(error) => {
                let upstream = self.burden().name();
                log::tried_in_vain(upstream, self.attempts, &error);
            }
        }
        self.note(came.outcome);
        match next {
            Next::Pass => self.progress.link += 1,
            Next::Resend => self.progress.is_resent = true,
            _ => self.progress.retries += 1,
        }
        Then::Again(again)
    }

    /// Waits before an attempt, and begins it.
    pub(super) async fn again(&mut self, again: Again) -> Request<Replay<RB>> {
        if !again.wait.is_zero() {
            let _open = self.journey().map(|journey| journey.enter(Stage::Backoff));
            let _noted = Record::of(&self.head.extensions).map(|record| record.enter(Stage::Backoff));
            sleep(again.wait).await;
        }
        self.request(again.kind)
    }

    /// What follows, and what was withheld.
    fn decide(&self, came: &Came) -> (Next, Option<Withheld>) {
        let settings = &self.plan.settings;
        let wanted = self.progress.next(settings, came, fastrand::f64());
        let Some(outcome) = came.outcome.filter(|_| wanted != Next::Answer) else { return (Next::Answer, None) };
        if came.is_sent && !self.is_safe {
            // Never two effects: what it came to is the client's, and it is for the client to know what to do.
            let withheld = matches!(wanted, Next::Pass | Next::Retry(_)).then_some(Withheld::Unsafe);
            return (Next::Answer, withheld);
        }
        let withheld = match wanted {
            Next::Answer | Next::Off => None,
            Next::Pass => self.withhold(Duration::ZERO),
            Next::Resend => self.withhold(Duration::ZERO).or_else(|| self.overspends()),
            Next::Retry(wait) => self.withhold(wait).or_else(|| self.overspends()),
        };
        match withheld {
            Some(_) => (self.progress.end(settings, outcome), withheld),
            None => (wanted, None),
        }
    }

    /// What keeps the request from being sent again, after this wait.
    fn withhold(&self, wait: Duration) -> Option<Withheld> {
        if !self.body.is_whole() {
            return Some(Withheld::Body);
        }
        // R22: no attempt starts whose back-off does not fit, with what its upstream can be told of (R16).
        let fits = self.left().is_none_or(|left| left.saturating_sub(wait) >= LEAST);
        (!fits).then_some(Withheld::Deadline)
    }

    fn overspends(&self) -> Option<Withheld> {
        (!self.burden().withdraw()).then_some(Withheld::Budget)
    }

    fn left(&self) -> Option<Duration> {
        left(&self.head.extensions)
    }

    fn journey(&self) -> Option<&Journey> {
        self.head.extensions.get()
    }

    fn burden(&self) -> &Burden {
        &self.plan.step(self.progress.link).burden
    }

    fn note(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let name = Arc::clone(self.burden().name());
        if let Some(record) = Record::of(&self.head.extensions) {
            record.passed(&name, outcome);
        }
        self.passed.push((name, outcome));
    }

    /// The last attempt was made: tells who was asked.
    fn finish<B>(&mut self, mut answer: Answer<B>, outcome: Option<Outcome>, next: Next) -> Answer<B>
    where
        B: Body<Data: Send, Error: Send> + Send + 'static,
    {
        self.body.settle();
        self.blame_limit(&mut answer);
        if !self.plan.is_chain() && self.attempts == 1 && next == Next::Answer {
            return answer;
        }
        let upstream = Some(Arc::clone(self.burden().name()));
        match answer {
            Ok(response) if next == Next::Off => {
                discard(response);
                self.note(outcome);
                Err(self.unanswered(None))
            }
            Ok(mut response) => {
                let story = self.story(upstream);
                // Behind what an upstream says of its own hops (RFC 9209 §2).
                if let Some((name, value)) = story.field(&self.plan.hop) {
                    response.headers_mut().append(name, value);
                }
                response.extensions_mut().insert(story);
                Ok(response)
            }
            Err(error) if is_upward(&error) => Err(error),
            Err(error) => {
                self.note(outcome);
                Err(self.unanswered(Some(error).filter(|_| next != Next::Off)))
            }
        }
    }

    /// R23: a hop that says that its time is up was told the limit of the attempt, if that was less.
    fn blame_limit<B>(&self, answer: &mut Answer<B>) {
        let told = answer.as_mut().ok().and_then(|response| response.extensions_mut().get_mut::<Exceeded>());
        if let Some((told, limit)) = told.zip(self.limit) {
            let exceeded = Exceeded::new(limit, Stage::Upstream, Cause::Deadline, now());
            *told = match told.trail() {
                Some(trail) => exceeded.with_trail(trail.clone()),
                None => exceeded,
            };
        }
    }

    fn unanswered(&mut self, last: Option<PropagateError>) -> PropagateError {
        PropagateError::Inner(Unanswered { story: self.story(None), last }.into())
    }

    fn story(&mut self, upstream: Option<Arc<str>>) -> Story {
        Story { attempts: self.attempts, upstream, passed: std::mem::take(&mut self.passed) }
    }

    fn explain<B>(&self, answer: &Answer<B>, next: Next, withheld: Option<Withheld>) {
        if let Some(reason) = withheld {
            self.burden().withheld(reason);
        }
        if !tracing::enabled!(target: "explain", tracing::Level::DEBUG) {
            return;
        }
        let (number, name) = (self.attempts, self.burden().name());
        let came = match answer {
            Ok(response) => response.status().as_str().to_owned(),
            Err(error) => told(error),
        };
        let then = match (next, withheld) {
            (Next::Pass, _) => format!("passes on to {}", self.plan.step(self.progress.link + 1).burden.name()),
            (Next::Retry(wait), _) => format!("again in {wait:?}"),
            (Next::Resend, _) => "again at once, for the connection had been kept".to_owned(),
            (Next::Off, _) => "the chain is off from here on".to_owned(),
            (Next::Answer, None) => "that is the answer".to_owned(),
            (Next::Answer, Some(reason)) => format!("that is the answer: {reason}"),
        };
        tracing::debug!(target: "explain", "attempt: {number}: {name}: {came}: {then}");
    }
}

/// R23: the deadline of the request, and what its client did, are not for us to answer.
fn is_upward(error: &PropagateError) -> bool {
    Exceeded::find(error).is_some() && Late::find(error).is_none()
}
