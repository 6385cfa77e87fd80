//! Valid elements of the absolute dialect.

use proptest::prelude::*;
use proptest::sample::select;

use super::grammar::{MAX_BYTES, Meaning, Valid, digits, fraction, number};

const MILLI: i128 = 1_000_000;
const SECOND: i128 = 1_000 * MILLI;

pub(super) fn valid() -> impl Strategy<Value = Valid> {
    prop_oneof![
        // Close to 1970, of our days, and as long as may be.
        2 => (0..20_000_u64).prop_map(|millis| unix_millis(millis.to_string())),
        2 => (0..4_000_000_000_000_u64).prop_map(|millis| unix_millis(millis.to_string())),
        1 => digits(1, MAX_BYTES).prop_map(unix_millis),
        5 => rfc3339(),
    ]
}

fn unix_millis(text: String) -> Valid {
    // At most 10^32 of them, so 10^38 ns.
    let meaning = Meaning::At(number(&text) as i128 * MILLI);
    Valid { text, meaning }
}

fn rfc3339() -> impl Strategy<Value = Valid> {
    (date(), time(), second_fraction(), zone()).prop_map(|(date, time, part, zone)| {
        let seconds = date.1 * 86_400 + time.1 - zone.1;
        let start = date.0 + &time.0;
        let room = MAX_BYTES - start.len() - zone.0.len();
        // A point without a digit is not valid, so nothing is written of a fraction that has no room.
        let part = part.get(..part.len().min(room)).filter(|part| part.len() > 1);
        let nanos = fraction(part.map_or("", |part| &part[1..]), SECOND.unsigned_abs());
        Valid {
            text: start + part.unwrap_or_default() + &zone.0,
            meaning: Meaning::At(i128::from(seconds) * SECOND + nanos as i128),
        }
    })
}

/// Dates and times that no calendar and no clock has.
pub(super) fn impossible() -> impl Strategy<Value = String> {
    let wrong = select(&["00-10", "13-10", "10-00", "10-32", "04-31", "1-010", "10-1x"]);
    let date = prop_oneof![
        (years(), wrong).prop_map(|(year, wrong)| format!("{year}-{wrong}")),
        years().prop_map(|year| format!("{year}-02-{}", months(year)[1] + 1)),
    ];
    let clock = select(&["24:00:00", "10:60:00", "10:00:61", "10:00", "10.00.00", "1:000:00"]);
    let clock = (date_text(), clock).prop_map(|(date, clock)| format!("{date}T{clock}Z"));
    let zone = select(&["", "+24:00", "-10:60", "+1000", "+1:000", ".Z", "UTC", "ZZ"]);
    let zone = (date_text(), zone).prop_map(|(date, zone)| format!("{date}T10:00:00{zone}"));
    prop_oneof![date.prop_map(|date| date + "T10:00:00Z"), clock, zone]
}

fn date_text() -> impl Strategy<Value = String> {
    date().prop_map(|(date, _)| date)
}

/// A point and digits, or nothing.
fn second_fraction() -> impl Strategy<Value = String> {
    let some = digits(1, 11).prop_map(|digits| format!(".{digits}"));
    prop_oneof![Just(String::new()), some]
}

/// A date, and its days since 1970, with the leap years and the months counted one by one.
fn date() -> impl Strategy<Value = (String, i64)> {
    (years(), 1..=12_usize, 1..=31_i64).prop_map(|(year, month, day)| {
        let months = months(year);
        let day = day.min(months[month - 1]);
        let leap_days = (1970..year).filter(|year| is_leap(*year)).count() as i64;
        let days = (year - 1970) * 365 + leap_days + months[..month - 1].iter().sum::<i64>() + day - 1;
        (format!("{year:04}-{month:02}-{day:02}"), days)
    })
}

/// Ours, any, and those at which leap years are easily taken wrong.
fn years() -> impl Strategy<Value = i64> {
    prop_oneof![1971..=2100_i64, 1971..=9999_i64, select(&[2000, 2024, 2100, 2200, 2400])]
}

fn months(year: i64) -> [i64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// A time of the day, leap seconds included, and its seconds.
fn time() -> impl Strategy<Value = (String, i64)> {
    let seconds = prop_oneof![9 => 0..60_i64, 1 => Just(60)];
    let mark = select(&["T", "t"]);
    (mark, 0..24_i64, 0..60_i64, seconds).prop_map(|(mark, hour, minute, second)| {
        let text = format!("{mark}{hour:02}:{minute:02}:{second:02}");
        (text, (hour * 60 + minute) * 60 + second)
    })
}

/// A zone, and its seconds east of Greenwich.
fn zone() -> impl Strategy<Value = (String, i64)> {
    let signs = select(&[("+", 60), ("-", -60)]);
    let offset = (signs, 0..24_i64, 0..60_i64).prop_map(|((sign, unit), hours, minutes)| {
        let text = format!("{sign}{hours:02}:{minutes:02}");
        (text, unit * (hours * 60 + minutes))
    });
    let utc = select(&["Z", "z"]).prop_map(|utc| (utc.to_owned(), 0));
    prop_oneof![utc, offset]
}
