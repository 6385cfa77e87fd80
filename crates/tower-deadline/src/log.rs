//! What is told in the log of requests that did not end well, by the feature `tracing`.
//!
//! Covers events of the target `deadline`, and how many of them there may be. Each has a message that does not change,
//! and fields; what is not known is left out. Does not decide what is told when, and writes no lines: a subscriber does.
//!
//! | message | level | fields |
//! |---|---|---|
//! | `request refused` | INFO | `policy, reason` (`exceeded`, `malformed`, `missing`), `detail, stage, cause, origin, origin_detail, budget_ms, elapsed_ms, hop, trace_id, suppressed` |
//! | `request stopped` | INFO | `policy, stage, cause, origin, origin_detail, budget_ms, elapsed_ms, hop, trace_id, stopped_by, stopped_in` (the hop that was called and has stopped it, and its stage), `later` (causes that came after the first), `suppressed` |
//! | `outgoing call without a deadline` | WARN where it fails, else DEBUG | `policy, site, suppressed` |
//! | `a request has lost its deadline` | WARN | `detail, site, suppressed` |
//! | `a limit of our own met a deadline` | DEBUG | `effect` (`truncated`, `pointless`), `limit, limit_ms, deadline, deadline_ms` (who set each, and what is left of it); once for each limit and effect |
//! | `cancelled too late` | DEBUG | `cause, site, suppressed` |
//!
//! `site` is `FILE:LINE:COLUMN` of the line to look at.
//!
//! # In a storm
//!
//! Of each cause, or reason, ten events are told at once and one a second after that; the next one that is told says in
//! `suppressed` how many were not, in this process. What is counted is counted all the same. Where nobody listens at
//! that level, an event costs one look at that.
//!
//! # Example
//!
//! The limit is there for events of one's own too:
//!
//! ```
//! use tower_deadline::log::Limiter;
//! use tower_deadline::now;
//!
//! static TOLD: Limiter = Limiter::new();
//!
//! if let Some(suppressed) = TOLD.pass("no stock", now()) {
//!     println!("no stock; {suppressed} times before that nobody was told");
//! }
//! ```

use std::panic::Location;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_deadline::dialect::trail::Trail;
use http_deadline::{Cause, Deadline, Exceeded, Journey, Note, Origin, PolicyName, Refusal};
use tracing::Level;

use crate::account::{Came, Extra, Stop};
use crate::guard::LostDeadline;
use crate::local_limit::Effect;
use crate::{Answers, now};

mod limiter;

pub use self::limiter::Limiter;

/// The target of every event here.
pub const TARGET: &str = "deadline";

/// As many limits are told of, each once: a program has no more lines and policies that set one.
const LIMITS: usize = 256;

/// The name of this hop, for whoever may listen if the request is stopped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hop(Answers);

impl Hop {
    /// For a request that has come. Whether somebody listens is not asked: that costs many times what is kept here.
    #[inline]
    pub(crate) fn of(answers: &Answers) -> Self {
        Self(answers.clone())
    }
}

fn is_heard() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// A request was not let in.
pub(crate) fn refused(came: &Came<'_>, refusal: &Refusal, extra: Option<&Extra>) {
    static TOLD: Limiter = Limiter::new();
    let (reason, exceeded) = match refusal {
        Refusal::Exceeded(exceeded) => ("exceeded", Some(exceeded)),
        Refusal::Malformed(_) => ("malformed", None),
        Refusal::Missing => ("missing", None),
        _ => ("other", None),
    };
    let Some(suppressed) = TOLD.pass_if(is_heard(), reason) else { return };
    let origin = exceeded.map(Exceeded::origin);
    // INFO: one request fared ill, and whoever sent it was told.
    tracing::info!(
        target: TARGET,
        policy = came.policy.name().as_str(),
        reason,
        detail = %refusal,
        stage = exceeded.map(|exceeded| exceeded.stage().as_str()),
        cause = exceeded.map(|exceeded| exceeded.cause().as_str()),
        origin = word(origin),
        origin_detail = origin.as_ref().map(|origin| display(origin.detail())),
        budget_ms = exceeded.map(|exceeded| millis(exceeded.budget())),
        elapsed_ms = exceeded.map(|exceeded| millis(exceeded.elapsed())),
        hop = came.answers.hop_name().map(|hop| &**hop),
        trace_id = extra.and_then(Extra::trace).map(display),
        suppressed,
        "request refused"
    );
}

/// A request was stopped in this stage, for this cause.
pub(crate) fn stopped(hop: &Hop, journey: Option<&Journey>, stop: Stop<'_>, extra: Option<&Extra>) {
    static TOLD: Limiter = Limiter::new();
    let Stop { stage, cause, deadline, limit, below } = stop;
    let Some(suppressed) = TOLD.pass_if(is_heard(), cause.as_str()) else { return };
    let origin = limit.map(|limit| limit.origin);
    let later: Vec<_> = journey.into_iter().flat_map(Journey::notes).map(Note::to_string).collect();
    // INFO: one request fared ill, and whoever sent it was told, or has gone.
    tracing::info!(
        target: TARGET,
        policy = journey.map(|journey| journey.policy().name().as_str()),
        stage = stage.as_str(),
        cause = cause.as_str(),
        origin = word(origin),
        origin_detail = origin.as_ref().map(|origin| display(origin.detail())),
        budget_ms = limit.map(|limit| millis(limit.budget)),
        elapsed_ms = deadline.map(|deadline| millis(deadline.elapsed(now()))),
        hop = hop.0.hop_name().map(|name| &**name),
        trace_id = extra.and_then(Extra::trace).map(display),
        stopped_by = below.and_then(Trail::hop),
        stopped_in = below.map(|below| below.stage().as_str()),
        later = (!later.is_empty()).then(|| later.join(", ")),
        suppressed,
        "request stopped"
    );
}

/// An outgoing call was made without a deadline.
pub(crate) fn missing(policy: Option<PolicyName>, site: &Location<'_>, fails: bool) {
    static TOLD: Limiter = Limiter::new();
    const MESSAGE: &str = "outgoing call without a deadline";
    let policy = policy.map_or("none", PolicyName::as_str);
    if fails {
        let is_heard = tracing::enabled!(target: TARGET, Level::WARN);
        let Some(suppressed) = TOLD.pass_if(is_heard, "fails") else { return };
        // WARN: work that was wanted is not done, and only whoever writes or configures the service can help.
        tracing::warn!(target: TARGET, policy, %site, suppressed, "{MESSAGE}");
    } else {
        let is_heard = tracing::enabled!(target: TARGET, Level::DEBUG);
        let Some(suppressed) = TOLD.pass_if(is_heard, "is sent") else { return };
        tracing::debug!(target: TARGET, policy, %site, suppressed, "{MESSAGE}");
    }
}

/// A guard that stands here has found that a request lost its deadline.
pub(crate) fn lost(lost: LostDeadline, site: &Location<'_>) {
    static TOLD: Limiter = Limiter::new();
    let is_heard = tracing::enabled!(target: TARGET, Level::WARN);
    let Some(suppressed) = TOLD.pass_if(is_heard, "lost") else { return };
    // WARN: requests are no longer held to their deadline, and only whoever writes the service can help.
    tracing::warn!(target: TARGET, detail = %lost, %site, suppressed, "a request has lost its deadline");
}

/// A limit that was set here met the deadline that was there before.
pub(crate) fn local_limit(effect: Effect, own: Deadline, inherited: Deadline) {
    static TOLD: Mutex<Vec<(Origin, Effect)>> = Mutex::new(Vec::new());
    if !tracing::enabled!(target: TARGET, Level::DEBUG) {
        return;
    }
    let (limit, now) = (own.origin(), now());
    {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= LIMITS || told.contains(&(limit, effect)) {
            return;
        }
        told.push((limit, effect));
    }
    tracing::debug!(
        target: TARGET,
        effect = effect.as_str(),
        %limit,
        limit_ms = millis(own.remaining(now)),
        deadline = %inherited.origin(),
        deadline_ms = millis(inherited.remaining(now)),
        "a limit of our own met a deadline"
    );
}

/// Somebody cancelled what had ended.
pub(crate) fn cancelled_too_late(cause: Cause, site: &Location<'_>) {
    static TOLD: Limiter = Limiter::new();
    let is_heard = tracing::enabled!(target: TARGET, Level::DEBUG);
    let Some(suppressed) = TOLD.pass_if(is_heard, cause.as_str()) else { return };
    tracing::debug!(target: TARGET, cause = cause.as_str(), %site, suppressed, "cancelled too late");
}

fn word(origin: Option<Origin>) -> &'static str {
    origin.map_or("none", |origin| origin.kind().as_str())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
