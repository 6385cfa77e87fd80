//! The entries among the metrics of a response.
//!
//! Covers one line with several of them and several lines alike, and metrics of others between them, which stay as they
//! are. Does not look into an entry to find it: its name is enough.

use http::{HeaderMap, HeaderValue};

use super::{Entry, PREFIX, SERVER_TIMING};
use crate::dialect::list::{is_whole, split};

/// The most entries of hops in one response.
pub const MAX_ENTRIES: usize = 16;

/// The most bytes that the entries of hops have in one response.
pub const MAX_BYTES: usize = 2_048;

/// What stands before the number of entries that were dropped, and behind it.
const MARKER: (&str, &str) = ("hop._;desc=\"more=", "\"");

/// The most digits of that number.
const MARKER_DIGITS: usize = 9;

/// The most bytes of all three.
const MAX_MARKER: usize = MARKER.0.len() + MARKER_DIGITS + MARKER.1.len();

/// The entries of these fields, as they stand there: the nearest hop is the last. At most [`MAX_ENTRIES`], the nearest.
#[must_use]
pub fn entries(headers: &HeaderMap) -> Vec<Entry> {
    let mut entries: Vec<_> = of_hops(headers).filter_map(Entry::parse).collect();
    entries.split_off(entries.len().saturating_sub(MAX_ENTRIES))
}

/// How many entries have been dropped, as the fields tell: those of the hops that are furthest away.
#[must_use]
pub fn more(headers: &HeaderMap) -> u32 {
    of_hops(headers).filter_map(dropped).fold(0, u32::saturating_add)
}

/// Adds an entry behind what is there, and drops the oldest where there are too many of them.
pub fn append(headers: &mut HeaderMap, entry: &Entry) {
    let entry = entry.to_string();
    make_room(headers, entry.len());
    // What is no field value is no entry: a hop's name is a token by now, and all else is ours.
    if let Ok(entry) = HeaderValue::try_from(entry) {
        // A head with too many fields has one less.
        let _ = headers.try_append(SERVER_TIMING.clone(), entry);
    }
}

/// Removes all that hops have told, and nothing else, but for a line in which a string does not end: in a list of several
/// lines, nobody knows what of it is whose.
pub fn strip(headers: &mut HeaderMap) {
    let tells = |line: &HeaderValue| !is_whole(line.as_bytes()) || split(line.as_bytes(), b',').any(is_of_hop);
    if headers.get_all(&SERVER_TIMING).iter().any(tells) {
        rewrite(headers, |line| is_whole(line).then(|| without(line, is_of_hop)));
    }
}

fn make_room(headers: &mut HeaderMap, wanted: usize) {
    let entries = || of_hops(headers).filter(|metric| dropped(metric).is_none());
    let (mut count, mut bytes) = entries().fold((1, wanted), |(count, bytes), entry| (count + 1, bytes + entry.len()));
    let markers = of_hops(headers).filter_map(dropped).count();
    if count <= MAX_ENTRIES && bytes + markers * MAX_MARKER <= MAX_BYTES && markers <= 1 {
        return;
    }
    let mut dropping = 0;
    for entry in entries() {
        if count <= MAX_ENTRIES && bytes + MAX_MARKER <= MAX_BYTES {
            break;
        }
        (count, bytes, dropping) = (count - 1, bytes - entry.len(), dropping + 1);
    }
    let (mut left, told) = (dropping, more(headers).saturating_add(dropping).min(999_999_999));
    rewrite(headers, |line| {
        let goes = |metric: &[u8]| is_of_hop(metric) && (dropped(metric).is_some() || take_one(&mut left));
        Some(without(line, goes))
    });
    let lines: Vec<_> = headers.get_all(&SERVER_TIMING).iter().cloned().collect();
    headers.remove(&SERVER_TIMING);
    let (before, after) = MARKER;
    let marker = HeaderValue::try_from(format!("{before}{told}{after}")).ok();
    for line in marker.into_iter().chain(lines) {
        let _ = headers.try_append(SERVER_TIMING.clone(), line);
    }
}

fn take_one(left: &mut u32) -> bool {
    let taken = left.checked_sub(1);
    *left = taken.unwrap_or_default();
    taken.is_some()
}

/// Puts in the place of each line what it becomes. One that becomes none, or has nothing left, is gone.
fn rewrite(headers: &mut HeaderMap, mut becomes: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
    let lines: Vec<_> = headers.get_all(&SERVER_TIMING).iter().cloned().collect();
    headers.remove(&SERVER_TIMING);
    for line in lines {
        let new = becomes(line.as_bytes()).filter(|new| !new.is_empty() || line.is_empty());
        if let Some(Ok(new)) = new.map(|new| HeaderValue::from_bytes(&new)) {
            let _ = headers.try_append(SERVER_TIMING.clone(), new);
        }
    }
}

/// A line without some of its metrics; byte for byte the same where all of them stay.
fn without(line: &[u8], mut goes: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let all = split(line, b',').count();
    let kept: Vec<_> = split(line, b',').filter(|metric| !goes(metric)).collect();
    if kept.len() == all { line.to_vec() } else { kept.join(&b","[..]).trim_ascii().to_vec() }
}

/// The metrics of hops, without the blanks around them.
fn of_hops(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(&SERVER_TIMING).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| split(line, b',')).filter(|metric| is_of_hop(metric)).map(<[u8]>::trim_ascii)
}

fn is_of_hop(metric: &[u8]) -> bool {
    metric.trim_ascii_start().starts_with(PREFIX.as_bytes())
}

/// How many were dropped, where this metric tells that.
fn dropped(metric: &[u8]) -> Option<u32> {
    let metric = std::str::from_utf8(metric).ok()?.trim_ascii();
    let digits = metric.strip_prefix(MARKER.0)?.strip_suffix(MARKER.1)?;
    let are_digits = (1..=MARKER_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn fields(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SERVER_TIMING.clone(), line.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(&SERVER_TIMING).iter().map(|line| line.to_str().unwrap()).collect()
    }

    fn hops(headers: &HeaderMap) -> Vec<String> {
        entries(headers).iter().map(|entry| entry.hop().to_owned()).collect()
    }

    #[test]
    fn finds_the_entries_of_several_lines_and_within_one() {
        let joined = r#"db;dur=5;desc="a, hop.x;dur=1", hop.a;dur=1;desc="own=1" ,hop.b;dur=2;desc="own=2",cache"#;
        let headers = fields(&[joined, r#"hop.c;dur=3;desc="own=3""#, "hop.broken;dur=x"]);
        assert_eq!((hops(&headers), more(&headers)), (vec!["a".into(), "b".into(), "c".into()], 0));
    }

    #[test]
    fn an_entry_stands_behind_the_others_and_the_oldest_make_room() {
        let mut headers = fields(&["db;dur=5, cache;desc=\"hit, fresh\"", "hop.h0;dur=1;desc=\"own=1\" , edge;dur=2"]);
        for number in 1..=16 {
            append(&mut headers, &Entry::new(&format!("h{number}"), MS));
        }
        let told: Vec<_> = (1..=16).map(|number| format!("h{number}")).collect();
        assert_eq!((hops(&headers), more(&headers)), (told, 1));
        assert_eq!(
            lines(&headers)[..3],
            ["hop._;desc=\"more=1\"", "db;dur=5, cache;desc=\"hit, fresh\"", "edge;dur=2"]
        );
        append(&mut headers, &Entry::new("last", MS));
        assert_eq!((entries(&headers).len(), more(&headers), lines(&headers).len()), (16, 2, 19));
    }

    #[test]
    fn entries_that_are_long_make_room_sooner() {
        let mut headers = HeaderMap::new();
        for number in 10..26 {
            append(
                &mut headers,
                &Entry::new(&format!("{number}{}", "x".repeat(60)), Duration::MAX).budget(Duration::MAX),
            );
        }
        let bytes = |headers: &HeaderMap| of_hops(headers).map(<[u8]>::len).sum::<usize>();
        let (kept, dropped) = (entries(&headers).len(), more(&headers));
        assert!(bytes(&headers) <= MAX_BYTES && bytes(&headers) > MAX_BYTES - 200, "{}", bytes(&headers));
        assert_eq!((kept + dropped as usize, hops(&headers).last().map(|hop| &hop[..2] == "25")), (16, Some(true)));
    }

    #[test]
    fn what_hops_told_is_removed_and_what_others_told_stays_as_it_is() {
        for (before, after) in [
            (&["db;dur=5"][..], &["db;dur=5"][..]),
            (&["a,  b ;dur=1"], &["a,  b ;dur=1"]),
            (&["db;dur=5 , hop.a;dur=1;desc=\"own=1\",  cache"], &["db;dur=5 ,  cache"]),
            (&["hop.a;dur=1", "db", " hop._;desc=\"more=3\""], &["db"]),
            (&["a;desc=\", hop.x;dur=1\""], &["a;desc=\", hop.x;dur=1\""]),
            // Joined with the next line, this would end its string there, and what stands in that would be a metric.
            (&["a;desc=\"", "\", hop.x;dur=1", "db"], &["db"]),
            (&[""], &[""]),
            (&[], &[]),
        ] {
            let mut headers = fields(before);
            strip(&mut headers);
            assert_eq!(lines(&headers), after, "{before:?}");
        }
    }

    #[test]
    fn a_number_of_dropped_entries_that_is_none_counts_as_none() {
        for (marker, told) in [
            ("hop._;desc=\"more=3\"", 3),
            ("hop._;desc=\"more=999999999\", hop._;desc=\"more=1\"", 1_000_000_000),
            ("hop._;desc=\"more=1234567890\"", 0),
            ("hop._;desc=\"more=+3\"", 0),
            ("hop._;desc=\"more=\"", 0),
            ("hop._;dur=1;desc=\"own=1\"", 0),
        ] {
            assert_eq!(more(&fields(&[marker])), told, "{marker}");
        }
    }
}
