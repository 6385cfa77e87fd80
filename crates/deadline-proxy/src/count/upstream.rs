//! Upstreams: attempts at them, how their endpoints are, and what the pools have.

use std::fmt;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

mod pool;

pub(crate) use self::pool::*;

const EJECTIONS: &str = "deadline_proxy_ejections_total";
const ENDPOINTS: &str = "deadline_proxy_endpoints";
const HEALTH_CHANGES: &str = "deadline_proxy_health_changes_total";
const ATTEMPTS: &str = "deadline_proxy_attempts_total";
const WITHHELD: &str = "deadline_proxy_retries_withheld_total";
const AMPLIFICATION: &str = "deadline_proxy_retry_amplification";
const RETRY_ALARM: &str = "deadline_proxy_retry_alarm";

/// Tells what each of them is.
pub(super) fn describe() {
    pool::describe();
    describe_counter!(EJECTIONS, Unit::Count, "Times that an endpoint was left out because it failed.");
    describe_gauge!(
        ENDPOINTS,
        Unit::Count,
        "Endpoints of an upstream: well, unhealthy by what they say, or ejected because they failed."
    );
    describe_counter!(HEALTH_CHANGES, Unit::Count, "Changes of what an endpoint was found to be when asked.");
    describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Attempts at an upstream: the first of a request, another upstream's fallback, or a retry."
    );
    describe_counter!(WITHHELD, Unit::Count, "Attempts that were not made though the last had failed, by the reason.");
    describe_gauge!(AMPLIFICATION, Unit::Count, "Attempts for each request that an upstream got in the last minute.");
    describe_gauge!(
        RETRY_ALARM,
        Unit::Count,
        "Whether an upstream is retried too much: 1 from 1.3 attempts a request on, 2 from 2.8."
    );
}

/// An endpoint of this upstream is left out for a while.
pub(crate) fn ejected(upstream: &str) {
    counter!(EJECTIONS, "upstream" => upstream.to_owned()).increment(1);
}

/// So many endpoints of this upstream are well, unhealthy and ejected.
pub(crate) fn endpoints(upstream: &str, numbers: [u32; 3]) {
    for (state, number) in ["well", "unhealthy", "ejected"].into_iter().zip(numbers) {
        gauge!(ENDPOINTS, "upstream" => upstream.to_owned(), "state" => state).set(number);
    }
}

/// The verdict of the health checks on an endpoint of this upstream changed to this one.
pub(crate) fn health_changed(upstream: &str, verdict: &'static str) {
    counter!(HEALTH_CHANGES, "upstream" => upstream.to_owned(), "to" => verdict).increment(1);
}

/// What kind of an attempt it is, in the order of [`Attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The first of its request.
    First,
    /// Another upstream has passed it on.
    Fallback,
    /// The same upstream was asked before.
    Retry,
}

/// Why an attempt is not made that would have been, in the order of [`Attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// The upstream is asked to bear enough.
    Budget,
    /// There is no time for it.
    Deadline,
    /// It could do what was done already.
    Unsafe,
    /// The body of the request was not kept.
    Body,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the retry budget of the upstream is spent",
            Self::Deadline => "there is no time left for it",
            Self::Unsafe => "it may have been done, and is not to be done twice",
            Self::Body => "its body was not kept",
        })
    }
}

/// The counts of attempts at one upstream, looked up once.
pub(crate) struct Attempts {
    asked: [Counter; 3],
    withheld: [Counter; 4],
    amplification: Gauge,
    alarm: Gauge,
}

impl Attempts {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new(upstream: &str) -> Self {
        let asked = |kind| counter!(ATTEMPTS, "upstream" => upstream.to_owned(), "kind" => kind);
        let withheld = |reason| counter!(WITHHELD, "upstream" => upstream.to_owned(), "reason" => reason);
        Self {
            asked: ["first", "fallback", "retry"].map(asked),
            withheld: ["budget", "deadline", "unsafe", "body"].map(withheld),
            amplification: gauge!(AMPLIFICATION, "upstream" => upstream.to_owned()),
            alarm: gauge!(RETRY_ALARM, "upstream" => upstream.to_owned()),
        }
    }

    /// The upstream is asked.
    pub(crate) fn asked(&self, kind: Attempt) {
        self.asked[kind as usize].increment(1);
    }

    /// It is not asked again, for this reason.
    pub(crate) fn withheld(&self, reason: Withheld) {
        self.withheld[reason as usize].increment(1);
    }

    /// How often it is asked for each request, and whether that is too much.
    pub(crate) fn amplified(&self, amplification: f64, alarm: u8) {
        self.amplification.set(amplification);
        self.alarm.set(alarm);
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}
