//! An entry, read back.

use std::time::Duration;

use super::{Entry, MAX_NAME, PREFIX, is_token};
use crate::dialect::list::split;
use crate::{Cause, Stage};

/// The longest metric that is looked at, in bytes.
const MAX_METRIC: usize = 1_024;

/// The most digits of whole milliseconds: 317 years.
const MAX_DIGITS: usize = 13;

impl Entry {
    /// Reads one metric. `None` where it is no entry of a hop, or is malformed; words of its description that are not
    /// known are passed over, and `own` is what is left. It is whoever answered that says so.
    #[must_use]
    pub fn parse(metric: &[u8]) -> Option<Self> {
        let metric = std::str::from_utf8(metric).ok().filter(|metric| metric.len() <= MAX_METRIC)?;
        let mut parts = split(metric.as_bytes(), b';').filter_map(|part| std::str::from_utf8(part).ok()).map(str::trim);
        let hop = parts.next()?.strip_prefix(PREFIX).filter(|hop| (1..=MAX_NAME).contains(&hop.len()))?;
        let mut entry = hop.chars().all(is_token).then(|| Self::new(hop, Duration::ZERO))?;
        // Of two parameters with one name the first counts (Server Timing §3).
        let (mut took, mut told) = (None, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim_end() {
                "dur" => took = took.or(Some(millis(value.trim_start())?)),
                "desc" => told = told.or(Some(value.trim_start())),
                _ => {}
            }
        }
        entry.took = took?;
        // No word of ours needs an escape.
        let told = told?.strip_prefix('"')?.strip_suffix('"').filter(|told| !told.contains(['"', '\\']))?;
        entry.told(told)
    }

    /// The same, with what its description says.
    fn told(mut self, words: &str) -> Option<Self> {
        let (mut stage, mut cause) = (None, None);
        for (key, value) in words.split(' ').filter_map(|word| word.split_once('=')) {
            match (key, Stage::from_word(key)) {
                ("budget", _) => self.budget = Some(millis(value)?),
                ("sent", _) => self.sent = Some(millis(value)?),
                ("stage", _) => stage = Some(Stage::from_word(value)?),
                ("cause", _) => cause = Some(Cause::from_word(value)?),
                (_, Some(stage)) => self = self.stage(stage, millis(value)?),
                _ => {}
            }
        }
        match (stage, cause) {
            (Some(stage), Some(cause)) => Some(self.stopped(stage, cause)),
            (None, None) => Some(self),
            _ => None,
        }
    }
}

/// Digits, and a decimal.
fn millis(text: &str) -> Option<Duration> {
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole, MAX_DIGITS) || !are_digits(tenth, 1) {
        return None;
    }
    let (whole, tenth): (u64, u64) = (whole.parse().ok()?, tenth.parse().ok()?);
    Some(Duration::from_millis(whole) + Duration::from_micros(100 * tenth))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn reads_back_what_it_writes() {
        for entry in [
            Entry::new("a", Duration::ZERO),
            Entry::new("shop eu-1", Duration::from_micros(12_340))
                .budget(300 * MS)
                .stage(Stage::Queue, MS)
                .stage(Stage::Upstream, Duration::from_micros(7_700))
                .sent(2 * MS)
                .stopped(Stage::Upstream, Cause::Deadline),
            Entry::new("a", Duration::MAX).budget(Duration::MAX),
        ] {
            assert_eq!(Entry::parse(entry.to_string().as_bytes()).as_ref(), Some(&entry), "{entry}");
        }
    }

    #[test]
    fn passes_over_what_it_does_not_know_and_takes_blanks_where_they_may_be() {
        let told = br#" hop.a ; new ; dur = 5.5 ;dur=7; desc="own=9 flag new=1 pool=2" "#;
        let entry = Entry::parse(told).map(|entry| (entry.took(), entry.own(), entry.stages().to_vec()));
        let (took, own) = (Duration::from_micros(5_500), Duration::from_micros(3_500));
        assert_eq!(entry, Some((took, own, vec![(Stage::Pool, 2 * MS)])));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for metric in [
            "",
            "db;dur=53",
            "hop;dur=1;desc=\"own=1\"",
            "hop.;dur=1;desc=\"own=1\"",
            "hop.a b;dur=1;desc=\"own=1\"",
            "hop.a;dur=1",
            "hop.a;desc=\"own=1\"",
            "hop._;desc=\"more=3\"",
            "hop.a;dur=1;desc=own",
            "hop.a;dur=+1;desc=\"own=1\"",
            "hop.a;dur=-1;desc=\"own=1\"",
            "hop.a;dur=1e3;desc=\"own=1\"",
            "hop.a;dur=1.25;desc=\"own=1\"",
            "hop.a;dur=1.;desc=\"own=1\"",
            "hop.a;dur=.5;desc=\"own=1\"",
            "hop.a;dur=;desc=\"own=1\"",
            "hop.a;dur=10000000000000;desc=\"own=1\"",
            "hop.a;dur=1;desc=\"pool=soon\"",
            "hop.a;dur=1;desc=\"stage=pool\"",
            "hop.a;dur=1;desc=\"stage=later cause=deadline\"",
            "hop.a;dur=1;desc=\"own=\\\"1\"",
        ] {
            assert_eq!(Entry::parse(metric.as_bytes()), None, "{metric}");
        }
        let long = format!("hop.a;dur=1;desc=\"{}\"", "x".repeat(MAX_METRIC));
        assert_eq!((Entry::parse(long.as_bytes()), Entry::parse(b"hop.a\xff;dur=1;desc=\"\"")), (None, None));
    }
}
