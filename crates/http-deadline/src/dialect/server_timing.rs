//! `Server-Timing`: what each hop adds to a response, to tell where the time went.
//!
//! Covers the entry of one hop, which is a metric of W3C Server Timing: a browser shows it in its network panel, and a
//! script draws a waterfall of several. Times are milliseconds, with one decimal at most. Does not measure.
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
//! assert_eq!(entry.to_string(), r#"hop.orders;dur=840;desc="budget=959 upstream=807.2 own=32.8 sent=33""#);
//! ```

use std::fmt;
use std::time::Duration;

use http::HeaderName;

use crate::{Cause, Stage};

/// `Server-Timing`.
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What the name of every entry begins with: whatever has another name is somebody else's.
const PREFIX: &str = "hop.";

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
    /// The hop of this name has had the request for so long. What is no token in a name becomes `_`.
    #[must_use]
    pub fn new(hop: &str, took: Duration) -> Self {
        let token = |char: char| if is_token(char) { char } else { '_' };
        let hop = hop.chars().map(token).collect();
        Self { hop, took, budget: None, stages: Vec::new(), sent: None, stopped: None }
    }

    /// What it was granted.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What it spent in this stage, and in no other. What is in no stage, it has used itself.
    #[must_use]
    pub fn stage(mut self, stage: Stage, spent: Duration) -> Self {
        self.stages.push((stage, spent));
        self
    }

    /// How long after its arrival it made its first call.
    #[must_use]
    pub fn sent(mut self, sent: Duration) -> Self {
        self.sent = Some(sent);
        self
    }

    /// Where and why it stopped the request.
    #[must_use]
    pub fn stopped(mut self, stage: Stage, cause: Cause) -> Self {
        self.stopped = Some((stage, cause));
        self
    }

    /// What it used itself: all that is in no stage.
    fn own(&self) -> Duration {
        let in_stages: Duration = self.stages.iter().map(|(_, spent)| *spent).sum();
        self.took.saturating_sub(in_stages)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{};dur={};desc=\"", self.hop, Millis(self.took))?;
        if let Some(budget) = self.budget {
            write!(f, "budget={} ", Millis(budget))?;
        }
        for (stage, spent) in &self.stages {
            // What took less than is told is not told.
            if tenths(*spent) > 0 {
                write!(f, "{stage}={} ", Millis(*spent))?;
            }
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

/// Milliseconds, cut off after the first decimal.
struct Millis(Duration);

fn tenths(duration: Duration) -> u128 {
    duration.as_micros() / 100
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = tenths(self.0);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenth) => write!(f, "{whole}.{tenth}"),
        }
    }
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
        assert_eq!(entry.to_string(), r#"hop.shop_eu-1;dur=12;desc="pool=1.2 own=10.6 stage=pool cause=deadline""#);
    }

    #[test]
    fn a_name_cannot_end_its_entry() {
        assert!(Entry::new("a\", b;\r\n", MS).to_string().starts_with("hop.a___b___;dur=1;"));
    }
}
