//! What hops tell in their answers: whatever stands there, nothing panics, and nothing grows.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use http_deadline::dialect::server_timing::{self, Entry, MAX_BYTES, MAX_ENTRIES, SERVER_TIMING};
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use http_deadline::{Cause, OriginKind, Stage};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const STAGES: [Stage; 5] = [Stage::Queue, Stage::Pool, Stage::Connect, Stage::Upstream, Stage::Database];
const KINDS: [OriginKind; 3] = [OriginKind::Header, OriginKind::Policy, OriginKind::Code];

/// Each case is a whole response.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, ..super::config() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_entry_means_what_it_says_when_it_is_read(entry in entry()) {
        prop_assert_eq!(Entry::parse(entry.to_string().as_bytes()), Some(entry.clone()));
        let parts: Duration = entry.stages().iter().map(|(_, spent)| *spent).sum();
        prop_assert!(parts > entry.took() || parts + entry.own() == entry.took());
    }

    #[test]
    fn metrics_of_others_stay_and_those_of_hops_are_bounded(lines in lines(), own in vec(entry(), 1..20)) {
        let mut headers = fields(&lines);
        let others = others(&headers);
        for entry in &own {
            server_timing::append(&mut headers, entry);
            let entries = server_timing::entries(&headers);
            prop_assert_eq!(entries.last(), Some(entry));
        }
        let (count, bytes) = of_hops(&headers).fold((0, 0), |(count, bytes), hop| (count + 1, bytes + hop.len()));
        // One more tells of the others.
        prop_assert!(count <= MAX_ENTRIES + 1 && bytes <= MAX_BYTES, "{} {}: {:?}", count, bytes, headers);
        prop_assert_eq!(self::others(&headers), others);
    }

    #[test]
    fn nothing_of_a_hop_is_left_where_it_is_stripped(lines in lines()) {
        let mut headers = fields(&lines);
        server_timing::strip(&mut headers);
        prop_assert_eq!(of_hops(&headers).count(), 0, "{:?}", headers);
        // Also for who reads all lines as one list.
        let all: Vec<_> = headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes).collect();
        let mut joined = HeaderMap::new();
        joined.insert(SERVER_TIMING.clone(), HeaderValue::from_bytes(&all.join(&b", "[..])).unwrap());
        prop_assert_eq!(of_hops(&joined).count(), 0, "{:?}", joined);
        prop_assert_eq!((server_timing::entries(&joined).len(), server_timing::more(&joined)), (0, 0));
    }

    #[test]
    fn a_trail_is_read_back_and_no_bytes_make_that_panic(
        origin in select(&KINDS), hops in (option::of(".{0,140}"), option::of(".{0,140}")), bytes in piece(),
    ) {
        let (hop, set_by) = (hops.0.as_deref(), hops.1.as_deref());
        let trail = Trail::new(OriginKind::Header, Stage::Pool, Cause::Deadline, hop).completed(origin, set_by);
        let mut headers = HeaderMap::new();
        trail.write(&mut headers);
        prop_assert_eq!(Trail::read(&headers), Some(trail));
        if let Ok(more) = HeaderValue::from_bytes(&bytes) {
            headers.append(DEADLINE_EXCEEDED.clone(), more);
        }
        let names = Trail::read(&headers).map(|trail| [trail.hop(), trail.origin_hop()].map(|hop| hop.map_or(0, str::len)));
        prop_assert!(names.is_none_or(|names| names.into_iter().all(|length| length <= 128)));
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let time =
        || prop_oneof![any::<u64>().prop_map(Duration::from_nanos), (0..9_999_u64).prop_map(Duration::from_micros)];
    let stages = vec((select(&STAGES), time()), 0..6);
    (".{0,80}", time(), option::of(time()), stages, option::of(time()), option::of(select(&STAGES))).prop_map(
        |(hop, took, budget, stages, sent, stopped)| {
            let mut entry =
                stages.into_iter().fold(Entry::new(&hop, took), |entry, (stage, spent)| entry.stage(stage, spent));
            entry = budget.map_or(entry.clone(), |budget| entry.budget(budget));
            entry = sent.map_or(entry.clone(), |sent| entry.sent(sent));
            stopped.map_or(entry.clone(), |stage| entry.stopped(stage, Cause::Deadline))
        },
    )
}

/// Bytes of any kind, of what the grammar is made of, and entries.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let parts = select(&[
        "hop.",
        "a",
        ";dur=1",
        ";desc=",
        "\"",
        "\\",
        ",",
        " ",
        "hop._;desc=\"more=7\"",
        "cache;dur=5",
        "\u{fc}",
    ]);
    prop_oneof![
        1 => vec(any::<u8>(), 0..40),
        3 => vec(parts, 0..12).prop_map(|parts| parts.concat().into_bytes()),
        2 => entry().prop_map(|entry| entry.to_string().into_bytes()),
    ]
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(piece(), 0..4).prop_map(|pieces| pieces.join(&b","[..])), 0..8)
}

fn fields(lines: &[Vec<u8>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(SERVER_TIMING.clone(), line);
    }
    headers
}

/// Every metric, by a reader of its own: at each byte it is known whether a string is open.
fn metrics(headers: &HeaderMap) -> impl Iterator<Item = Vec<u8>> {
    headers.get_all(&SERVER_TIMING).iter().flat_map(|line| {
        let (mut metrics, mut open, mut escaped) = (vec![Vec::new()], false, false);
        for byte in line.as_bytes() {
            if *byte == b',' && !open {
                metrics.push(Vec::new());
                continue;
            }
            open ^= *byte == b'"' && !escaped;
            escaped = open && !escaped && *byte == b'\\';
            metrics.last_mut().unwrap().push(*byte);
        }
        metrics.into_iter().map(|metric| metric.trim_ascii().to_vec())
    })
}

fn of_hops(headers: &HeaderMap) -> impl Iterator<Item = Vec<u8>> {
    metrics(headers).filter(|metric| metric.starts_with(b"hop."))
}

fn others(headers: &HeaderMap) -> Vec<Vec<u8>> {
    metrics(headers).filter(|metric| !metric.starts_with(b"hop.") && !metric.is_empty()).collect()
}
