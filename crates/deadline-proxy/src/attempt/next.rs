//! What follows an attempt: a function of what it came to.
//!
//! Covers whether the next upstream of a chain is asked, the same one again, or nobody. Does not know the time, the
//! budget and the body: what is wanted here may have to be withheld.

use std::time::Duration;

use http::StatusCode;

use super::came::Came;
use super::{End, Outcome, Settings};

/// How often the back-off doubles.
const DOUBLINGS: u32 = 6;

/// The longest that an upstream is left alone because it asks for it. No client waits longer.
const LONGEST: Duration = Duration::from_secs(30);

/// How far the attempts of a request have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Which upstream of the chain was asked.
    pub(super) link: usize,
    /// How often one was asked again.
    pub(super) retries: u32,
    /// Whether it was sent again because of a connection that had been kept.
    pub(super) is_resent: bool,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// What it came to is the client's answer.
    Answer,
    /// The chain is at its end, and says so.
    Off,
    /// The next upstream is asked, at once.
    Pass,
    /// The same is asked again, after this wait.
    Retry(Duration),
    /// The same is asked again at once: the connection is to blame.
    Resend,
}

impl Progress {
    /// What follows an attempt that `came` to this, if nothing keeps it from being sent again. Fail over before retry
    /// (R38). `chance` is from 0 to 1.
    pub(super) fn next(&self, settings: &Settings, came: &Came, chance: f64) -> Next {
        let Some((outcome, link)) = came.outcome.zip(settings.chain.get(self.link)) else { return Next::Answer };
        let is_named = link.on.iter().any(|on| on.covers(outcome));
        let is_last = self.link + 1 >= settings.chain.len();
        if is_named && !is_last {
            Next::Pass
        } else if came.is_kept && !self.is_resent {
            Next::Resend
        } else if self.retries < settings.retries && is_retriable(outcome, came) {
            Next::Retry(backoff(settings.backoff, self.retries, chance).max(came.after.unwrap_or_default()))
        } else {
            self.end(settings, outcome)
        }
    }

    /// What follows where no further attempt is made.
    pub(super) fn end(&self, settings: &Settings, outcome: Outcome) -> Next {
        let is_last = self.link + 1 >= settings.chain.len();
        let is_named = settings.chain.get(self.link).is_some_and(|link| link.on.iter().any(|on| on.covers(outcome)));
        if is_last && is_named && settings.end == End::Off { Next::Off } else { Next::Answer }
    }
}

/// Whether the same upstream can do better the next time.
fn is_retriable(outcome: Outcome, came: &Came) -> bool {
    // What is as good as never is not waited for.
    let is_soon = came.after.is_none_or(|after| after <= LONGEST);
    is_soon
        && match outcome {
            Outcome::Connect | Outcome::Broken | Outcome::Timeout => true,
            // It says when; otherwise one more is one too many.
            Outcome::Status(StatusCode::TOO_MANY_REQUESTS) => came.after.is_some(),
            Outcome::Status(status) => matches!(status.as_u16(), 502..=504),
            _ => false,
        }
}

/// What is waited for before a retry, of which there were so many: twice as long each time, half of it by chance, so
/// that those who failed together do not come back together.
pub(super) fn backoff(base: Duration, before: u32, chance: f64) -> Duration {
    let half = base.saturating_mul(1 << before.min(DOUBLINGS)) / 2;
    half.saturating_add(half.mul_f64(chance.clamp(0.0, 1.0)))
}
