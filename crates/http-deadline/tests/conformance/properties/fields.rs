//! Several fields of several dialects at once.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use http_deadline::dialect::Malformed;
use http_deadline::{Dialect, Dialects};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::config;
use super::grammar::{Valid, element};
use super::times::{left, system_time};

type Part = (Dialect, Valid);

const CALLS: [&str; 3] = ["text/plain", "application/grpc", "application/connect+json"];

proptest! {
    #![proptest_config(config())]

    // R6
    #[test]
    fn the_strictest_of_all_fields_wins(parts in parts(), joined in any::<bool>(), wall in wall()) {
        let asked = reading_all().read(&fields(&parts, joined), system_time(wall));
        let strictest = asked.strictest().map(|(timeout, _)| timeout);
        prop_assert_eq!(strictest, timeouts(&parts, wall).map(|(timeout, _)| timeout).min());
        let mut all = timeouts(&parts, wall);
        prop_assert!(asked.strictest().is_none_or(|strictest| all.any(|part| part == strictest)));
        prop_assert!(asked.malformed().is_none());
    }

    // R5
    #[test]
    fn a_malformed_field_is_told_and_takes_no_part(
        parts in parts(), joined in any::<bool>(), wall in wall(),
        garbled in select(&Dialect::ALL), value in select(&["soon", "", "+1", "1 S", "0x1"]),
    ) {
        let mut headers = fields(&parts, joined);
        let clean = reading_all().read(&headers, system_time(wall));
        append(&mut headers, garbled, value);
        let asked = reading_all().read(&headers, system_time(wall));
        prop_assert_eq!(asked.malformed().map(Malformed::dialect), Some(garbled));
        prop_assert_eq!(asked.strictest(), clean.strictest());
    }

    // R9, R16
    #[test]
    fn what_came_in_leaves_rewritten_once_or_not_at_all(
        parts in parts(), left in left(), call in select(&CALLS),
        written in subsequence(&Dialect::ALL, 0..=Dialect::ALL.len()),
    ) {
        let mut headers = fields(&parts, false);
        headers.insert("content-type", HeaderValue::from_static(call));
        let sent = writing(&written).write(&mut headers, left, system_time(0)).is_ok();
        let carried = |dialect: &Dialect| written.contains(dialect) && carries(call, *dialect);
        let inexpressible = |dialect: &Dialect| dialect.encode(left, system_time(0)).is_none();
        prop_assert_eq!(sent, !Dialect::ALL.iter().filter(|it| carried(it)).any(inexpressible));
        for dialect in Dialect::ALL {
            let values: Vec<_> = headers.get_all(dialect.as_str()).iter().collect();
            let fresh = dialect.encode(left, system_time(0)).filter(|_| sent && carried(&dialect));
            let fresh: Vec<_> = fresh.iter().map(|fresh| fresh.as_str()).collect();
            prop_assert_eq!(values, fresh, "{}", dialect);
        }
    }
}

fn reading_all() -> Dialects {
    Dialects::default().with_read(Dialect::XRequestDeadline)
}

fn writing(dialects: &[Dialect]) -> Dialects {
    let silent = Dialect::ALL.into_iter().fold(Dialects::default(), Dialects::without_write);
    dialects.iter().copied().fold(silent, Dialects::with_write)
}

/// The other kinds of calls have no field for these two.
fn carries(call: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::GrpcTimeout => call == "application/grpc",
        Dialect::ConnectTimeout => call == "application/connect+json",
        _ => true,
    }
}

/// Valid elements, several of a dialect among them.
pub(super) fn parts() -> impl Strategy<Value = Vec<Part>> {
    vec(element(), 0..8).prop_shuffle()
}

/// Not after 1970, so that no valid instant lies before it.
pub(super) fn wall() -> impl Strategy<Value = i128> {
    prop_oneof![-86_400_000_000_000..=0_i128, -1_000_000..=0_i128]
}

/// The limits among the parts.
pub(super) fn timeouts(parts: &[Part], wall: i128) -> impl Iterator<Item = (Duration, Dialect)> + '_ {
    parts.iter().filter_map(move |(dialect, valid)| {
        let timeout = valid.meaning.timeout(wall)?;
        Some((timeout, *dialect))
    })
}

/// A field for each part, or one for all that may stand in a list.
fn fields(parts: &[Part], joined: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let may_be_listed = |(dialect, _): &&Part| joined && *dialect == Dialect::XRequestTimeout;
    let (listed, alone): (Vec<_>, Vec<_>) = parts.iter().partition(may_be_listed);
    let list: Vec<_> = listed.iter().map(|(_, valid)| valid.text.as_str()).collect();
    if !list.is_empty() {
        append(&mut headers, Dialect::XRequestTimeout, &list.join(" ,\t"));
    }
    for (dialect, valid) in alone {
        append(&mut headers, *dialect, &valid.text);
    }
    headers
}

fn append(headers: &mut HeaderMap, dialect: Dialect, value: &str) {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
    headers.append(dialect.as_str(), value);
}
