//! `Server-Timing`: what each hop adds to a response, to tell where the time went.
//!
//! Covers the entry of one hop, which is a metric of [W3C Server Timing](https://www.w3.org/TR/server-timing/): a browser
//! shows it in its network panel, and a script draws a waterfall of several. Each hop [appends](append) its own behind those
//! of the hops that it called, so the last one is the nearest. Times are milliseconds, with one decimal at most. Does not
//! measure, and nothing here is input to a decision: whoever answers can write whatever it likes.
//!
//! The entries of hops are bounded: [`MAX_ENTRIES`] of them, and [`MAX_BYTES`]. What does not fit is dropped from the oldest
//! on, and one more metric tells how many those are: `hop._;desc="more=3"`. Metrics of other names are not touched.
//!
//! ```
//! use http_deadline::Stage;
//! use http_deadline::dialect::server_timing::Entry;
//! use std::time::Duration;
//!
//! let entry = Entry::new("orders", Duration::from_millis(840))
//!     .budget(Duration::from_millis(959))
//!     .stage(Stage::Upstream, Duration::from_micros(807_240))
//!     .sent(Duration::from_millis(33));
//! let metric = r#"hop.orders;dur=840;desc="budget=959 upstream=807.2 own=32.8 sent=33""#;
//! assert_eq!(entry.to_string(), metric);
//! assert_eq!(Entry::parse(metric.as_bytes()), Some(entry));
//! ```

use std::fmt;
use std::time::Duration;

use http::HeaderName;

use super::MAX_TIMEOUT;
use crate::{Cause, Stage};

mod fields;
mod parse;

pub use self::fields::{MAX_BYTES, MAX_ENTRIES, append, entries, more, strip};

/// `Server-Timing`.
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What the name of every entry begins with: whatever has another name is somebody else's.
const PREFIX: &str = "hop.";

/// The longest name of a hop; what is longer is cut off.
const MAX_NAME: usize = 64;

/// What one hop tells of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    hop: String,
    took: Duration,
    budget: Option<Duration>,
    stages: Vec<(Stage, Duration)>,
    sent: Option<Duration>,
    stopped: Option<(Stage, Cause)>,
}

impl Entry {
    /// The hop of this name has had the request for so long. What is no token in a name becomes `_`, and beyond 64
    /// characters there is none. All times are cut off after a tenth of a millisecond.
    #[must_use]
    pub fn new(hop: &str, took: Duration) -> Self {
        let token = |char: char| if is_token(char) { char } else { '_' };
        let hop: String = hop.chars().take(MAX_NAME).map(token).collect();
        let hop = if hop.is_empty() { "_".to_owned() } else { hop };
        Self { hop, took: cut(took), budget: None, stages: Vec::new(), sent: None, stopped: None }
    }

    /// What it was granted.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(cut(budget));
        self
    }

    /// What it spent in this stage, and in no other. What is in no stage, it has used itself.
    #[must_use]
    pub fn stage(mut self, stage: Stage, spent: Duration) -> Self {
        let spent = cut(spent);
        match self.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum = cut(*sum + spent),
            // What took less than is told is not told.
            None if spent.is_zero() => {}
            None => self.stages.push((stage, spent)),
        }
        self
    }

    /// How long after its arrival it made its first call.
    #[must_use]
    pub fn sent(mut self, sent: Duration) -> Self {
        self.sent = Some(cut(sent));
        self
    }

    /// Where and why it stopped the request.
    #[must_use]
    pub fn stopped(mut self, stage: Stage, cause: Cause) -> Self {
        self.stopped = Some((stage, cause));
        self
    }

    /// The hop's name, as a token.
    #[must_use]
    pub fn hop(&self) -> &str {
        &self.hop
    }

    /// How long it has had the request, to the head of its answer.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What it was granted, if anything limited it.
    #[must_use]
    pub fn granted(&self) -> Option<Duration> {
        self.budget
    }

    /// What it spent in each stage that took time.
    #[must_use]
    pub fn stages(&self) -> &[(Stage, Duration)] {
        &self.stages
    }

    /// What it used itself: all that is in no stage.
    #[must_use]
    pub fn own(&self) -> Duration {
        let in_stages = self.stages.iter().fold(Duration::ZERO, |sum, (_, spent)| sum.saturating_add(*spent));
        self.took.saturating_sub(in_stages)
    }

    /// How long after its arrival it made its first call, if it made one: there the bar of the next hop begins.
    #[must_use]
    pub fn first_call(&self) -> Option<Duration> {
        self.sent
    }

    /// Where and why it stopped the request, if it did.
    #[must_use]
    pub fn stop(&self) -> Option<(Stage, Cause)> {
        self.stopped
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{};dur={};desc=\"", self.hop, Millis(self.took))?;
        if let Some(budget) = self.budget {
            write!(f, "budget={} ", Millis(budget))?;
        }
        for (stage, spent) in &self.stages {
            write!(f, "{stage}={} ", Millis(*spent))?;
        }
        write!(f, "own={}", Millis(self.own()))?;
        if let Some(sent) = self.sent {
            write!(f, " sent={}", Millis(sent))?;
        }
        if let Some((stage, cause)) = self.stopped {
            write!(f, " stage={stage} cause={cause}")?;
        }
        f.write_str("\"")
    }
}

/// Milliseconds, in tenths.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_micros() / 100;
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenth) => write!(f, "{whole}.{tenth}"),
        }
    }
}

/// To the tenth of a millisecond: what is told is then what is added up, and the parts of an entry are its whole.
fn cut(time: Duration) -> Duration {
    const TENTH: u32 = 100_000;
    let time = time.min(MAX_TIMEOUT);
    Duration::new(time.as_secs(), time.subsec_nanos() / TENTH * TENTH)
}

/// Whether it may stand in a token (RFC 9110 §5.6.2).
fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn tells_what_took_time_and_leaves_out_what_took_none() {
        let entry = Entry::new("shop eu-1", 12 * MS)
            .stage(Stage::Queue, Duration::from_micros(99))
            .stage(Stage::Pool, Duration::from_micros(1_250))
            .stopped(Stage::Pool, Cause::Deadline);
        assert_eq!(entry.to_string(), r#"hop.shop_eu-1;dur=12;desc="pool=1.2 own=10.8 stage=pool cause=deadline""#);
    }

    #[test]
    fn a_name_cannot_end_its_entry() {
        assert!(Entry::new("a\", b;\r\n", MS).to_string().starts_with("hop.a___b___;dur=1;"));
        assert_eq!((Entry::new("", MS).hop(), Entry::new(&"x".repeat(65), MS).hop().len()), ("_", 64));
    }

    #[test]
    fn a_stage_that_is_told_twice_adds_up_and_nothing_is_longer_than_there_is() {
        let entry = Entry::new("a", Duration::MAX).stage(Stage::Pool, MS).stage(Stage::Pool, Duration::MAX);
        assert_eq!(entry.stages(), [(Stage::Pool, cut(MAX_TIMEOUT))]);
        assert_eq!((entry.took(), entry.own()), (cut(MAX_TIMEOUT), Duration::ZERO));
    }
}
