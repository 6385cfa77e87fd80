//! The requests that were stopped last, for who looks at the status page.
//!
//! Covers which are kept, how many, and their JSON: of each what a line of the access log says, and with it a picture of
//! its time. Kept is what was stopped for a cause under a deadline, here or by a hop downstream that says so; a request
//! that failed otherwise is for the log. All is bounded: how many are kept, how many are made ready in a second, and how
//! long each is; so a storm costs no more than its first requests, and what was left out is counted.
//!
//! # The fields
//!
//! Those of a [line](super), and
//!
//! | key | meaning |
//! |---|---|
//! | `elapsed_ms` | from its head to when it was stopped |
//! | `steps` | when it was where: `[from, to, stage]`, in milliseconds from its head; the first of them, where there are many. `queue` was before its head, and so below zero |
//! | `hops` | what hops downstream tell of their time, in the words of `Server-Timing` |

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tower_deadline::dialect::server_timing::SERVER_TIMING;
use tower_deadline::now;

use super::form::{Line, Value, millis};

/// How many are kept where nobody says: what one looks through by eye.
pub const MOST: usize = 50;

/// How much of a text is kept, in bytes: a path can have as many as a head may.
const TEXT: usize = 512;

/// How many hops are kept, and how much of what each says.
const HOPS: usize = 16;

/// How the entry of a hop begins, by which it is told from the metrics of a backend.
const HOP: &str = "hop.";

/// A step of a picture: from, to, where; in milliseconds from the arrival.
pub(super) type Step = (f64, f64, &'static str);

/// Keeps the requests that were stopped last, up to a number. A clone keeps in the same place.
#[derive(Clone, Debug, Default)]
pub struct Expired {
    most: usize,
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// The last one first.
    requests: Mutex<VecDeque<Arc<Stopped>>>,
    /// Seconds are counted from here.
    begun: Instant,
    /// The second in which one was made ready last (upper half), and how many were in it.
    pace: AtomicU64,
    left_out: AtomicU64,
}

impl Default for Kept {
    fn default() -> Self {
        let (pace, left_out) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { requests: Mutex::default(), begun: now(), pace, left_out }
    }
}

/// A request that was stopped.
#[derive(Debug)]
pub(super) struct Stopped {
    line: Line,
    elapsed: Duration,
    steps: Vec<Step>,
    hops: Vec<String>,
}

/// All that is kept.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// How many can be.
    most: usize,
    /// How many were not, because there were too many in a second.
    left_out: u64,
    requests: Vec<&'a Stopped>,
}

impl Expired {
    /// The same place, and room for so many.
    pub(super) fn holding(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Whether there is room for any.
    pub(super) fn is_kept(&self) -> bool {
        self.most > 0
    }

    /// Whether one more is to be made ready in this second. In one second no more are than there is room for: they would
    /// push each other out.
    pub(super) fn takes(&self, now: Instant) -> bool {
        if !self.is_kept() {
            return false;
        }
        let kept = &self.kept;
        let second = now.saturating_duration_since(kept.begun).as_secs() << 32;
        let most = u64::try_from(self.most).unwrap_or(u64::MAX);
        let counted = kept.pace.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |pace| {
            let in_second = if pace & !0xffff_ffff == second { pace & 0xffff_ffff } else { 0 };
            (in_second < most).then_some(second | (in_second + 1))
        });
        if counted.is_err() {
            kept.left_out.fetch_add(1, Ordering::Relaxed);
        }
        counted.is_ok()
    }

    /// Keeps this one, in the place of the oldest where there is no other.
    pub(super) fn keep(&self, stopped: Stopped) {
        let stopped = Arc::new(stopped);
        let mut requests = self.requests();
        requests.push_front(stopped);
        requests.truncate(self.most);
    }

    /// All that are kept, the last one first, as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        // Only the handles are taken under the lock, in which a worker would wait.
        let requests: Vec<_> = self.requests().iter().take(self.most).cloned().collect();
        let requests = requests.iter().map(|stopped| &**stopped).collect();
        let told = Told { most: self.most, left_out: self.kept.left_out.load(Ordering::Relaxed), requests };
        // Text under keys that are text is always JSON.
        serde_json::to_string(&told).unwrap_or_default()
    }

    /// Held for the time that a pointer takes to be moved.
    fn requests(&self) -> MutexGuard<'_, VecDeque<Arc<Stopped>>> {
        self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stopped {
    /// With this line, after so long, and with this picture.
    pub(super) fn new(line: Line, elapsed: Duration, steps: Vec<Step>) -> Self {
        let cut = |(key, value)| match value {
            Value::Text(text) => (key, Value::Text(cut(text))),
            other => (key, other),
        };
        Self { line: line.into_iter().map(cut).collect(), elapsed, steps, hops: Vec::new() }
    }

    /// In front of these hops.
    pub(super) fn behind(self, hops: Vec<String>) -> Self {
        Self { hops, ..self }
    }
}

impl Serialize for Stopped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (key, value) in &self.line {
            object.serialize_entry(key, value)?;
        }
        object.serialize_entry("elapsed_ms", &millis(self.elapsed))?;
        object.serialize_entry("steps", &self.steps)?;
        object.serialize_entry("hops", &self.hops)?;
        object.end()
    }
}

/// What hops say of their time in these fields of an answer, each as it stands there.
pub(super) fn hops(fields: &HeaderMap) -> Vec<String> {
    let values = fields.get_all(&SERVER_TIMING).iter().filter_map(|value| value.to_str().ok());
    let entries = values.flat_map(entries).filter(|entry| entry.starts_with(HOP) && entry.len() <= TEXT);
    entries.take(HOPS).map(str::to_owned).collect()
}

/// The members of a list, split at commas outside of strings.
fn entries(value: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let split = value.split(move |char| {
        let is_plain = !std::mem::take(&mut is_escaped);
        match char {
            '\\' if is_quoted && is_plain => is_escaped = true,
            '"' if is_plain => is_quoted = !is_quoted,
            _ => {}
        }
        char == ',' && !is_quoted
    });
    split.map(str::trim_ascii)
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT {
        let end = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::json;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbered(number: u64) -> Stopped {
        Stopped::new(vec![("number", Value::Number(number))], SECOND, Vec::new())
    }

    fn told(expired: &Expired) -> serde_json::Value {
        serde_json::from_str(&expired.json()).unwrap()
    }

    fn numbers(expired: &Expired) -> Vec<u64> {
        let told = told(expired);
        told["requests"].as_array().unwrap().iter().map(|told| told["number"].as_u64().unwrap()).collect()
    }

    #[test]
    fn the_last_ones_are_kept_and_the_last_one_is_first() {
        let expired = Expired::default().holding(3);
        (0..5).for_each(|number| expired.keep(numbered(number)));
        assert_eq!(numbers(&expired), [4, 3, 2]);
        // What comes with another configuration has the same place.
        let (fewer, none) = (expired.clone().holding(2), expired.clone().holding(0));
        assert_eq!((numbers(&fewer), numbers(&none)), (vec![4, 3], vec![]));
        fewer.keep(numbered(5));
        assert_eq!(numbers(&expired), [5, 4]);
        assert!(fewer.is_kept() && !none.is_kept() && !none.takes(now()));
    }

    #[test]
    fn of_a_storm_no_more_is_made_ready_in_a_second_than_there_is_room_for() {
        let expired = Expired::default().holding(3);
        let start = expired.kept.begun;
        let takes = |at: Duration| (0..5).filter(|_| expired.takes(start + at)).count();
        assert_eq!((takes(Duration::ZERO), takes(SECOND - Duration::from_nanos(1))), (3, 0));
        assert_eq!((takes(SECOND), takes(9 * SECOND)), (3, 3));
        assert_eq!(told(&expired)["left_out"], 2 + 5 + 2 + 2);
    }

    #[test]
    fn workers_that_keep_at_once_keep_as_many_as_there_is_room_for() {
        let expired = Expired::default().holding(10);
        let at = expired.kept.begun;
        let took: usize = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| expired.takes(at)).count())).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!((took, &told(&expired)["left_out"]), (10, &json!(3_990)));
    }

    #[test]
    fn a_request_is_told_as_its_line_is_with_a_picture_and_nothing_is_longer_than_a_person_reads() {
        let line: Line = vec![("path", Value::Text("/ü".repeat(300))), ("status", Value::Number(504))];
        let stopped = Stopped::new(line, Duration::from_micros(300_040), vec![(0.0, 12.5, "pool")]);
        let expired = Expired::default().holding(1);
        expired.keep(stopped.behind(vec!["hop.b;dur=3".to_owned()]));
        let path = format!("{}/…", "/ü".repeat(170));
        let request = json!({
            "path": path, "status": 504, "elapsed_ms": 300.04, "steps": [[0.0, 12.5, "pool"]], "hops": ["hop.b;dur=3"],
        });
        assert_eq!(told(&expired), json!({ "most": 1, "left_out": 0, "requests": [request] }));
    }

    #[test]
    fn hops_are_told_from_what_a_backend_measures_and_bounded() {
        let mut fields = HeaderMap::new();
        let mut add = |value: &str| fields.append(&SERVER_TIMING, HeaderValue::from_str(value).unwrap());
        add(r#"db;dur=53, hop.b;dur=80;desc="budget=90, own=\"3\"" , hop.a;dur=9"#);
        add(&format!("hop.long;desc=\"{}\"", "x".repeat(600)));
        add("hop.c");
        assert_eq!(hops(&fields), [r#"hop.b;dur=80;desc="budget=90, own=\"3\"""#, "hop.a;dur=9", "hop.c"]);
        for number in 0..100 {
            fields.append(&SERVER_TIMING, HeaderValue::try_from(format!("hop.{number}")).unwrap());
        }
        assert_eq!(hops(&fields).len(), HOPS);
    }
}
