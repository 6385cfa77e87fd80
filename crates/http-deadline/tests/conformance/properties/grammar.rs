//! Valid elements of every dialect, and what they mean: built from the numbers that the meaning is computed of.

use std::time::Duration;

use http_deadline::Dialect;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::instants;
use super::times::{GRPC_UNITS, HOUR, LAST, MILLI, MINUTE, SECOND, saturated};

const GO_UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", MILLI),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
];

/// The longest element, in bytes (R5).
pub(super) const MAX_BYTES: usize = 32;

/// An element, and what it means.
#[derive(Clone, Debug)]
pub(super) struct Valid {
    pub(super) text: String,
    pub(super) meaning: Meaning,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// So many nanoseconds from now.
    In(u128),
    /// At so many nanoseconds since 1970.
    At(i128),
    /// Nothing: Envoy's zero (R6).
    NoLimit,
}

impl Meaning {
    /// A wall clock that is `ahead` short of the instant, where the meaning is one within reach; else `wall`.
    pub(super) fn wall(self, ahead: i128, wall: i128) -> i128 {
        match self {
            Self::At(at) if at <= LAST => at - ahead,
            _ => wall,
        }
    }

    /// What decoding has to say by this wall clock.
    pub(super) fn timeout(self, wall: i128) -> Option<Duration> {
        match self {
            Self::In(nanos) => Some(saturated(nanos)),
            Self::At(at) => Some(saturated((at - wall).max(0).unsigned_abs())),
            Self::NoLimit => None,
        }
    }
}

/// A dialect and a valid element of it.
pub(super) fn element() -> impl Strategy<Value = (Dialect, Valid)> {
    select(&Dialect::ALL).prop_flat_map(|dialect| valid(dialect).prop_map(move |valid| (dialect, valid)))
}

/// The valid elements of a dialect, without blanks around them.
pub(super) fn valid(dialect: Dialect) -> BoxedStrategy<Valid> {
    match dialect {
        Dialect::XRequestTimeout => go_duration().boxed(),
        Dialect::GrpcTimeout => grpc().boxed(),
        Dialect::EnvoyExpected | Dialect::EnvoyUpstream => envoy().boxed(),
        Dialect::ConnectTimeout => digits(1, 10).prop_map(millis).boxed(),
        _ => instants::valid().boxed(),
    }
}

/// Digits: any, with zeros in front, zeros alone, nines alone.
pub(super) fn digits(least: usize, most: usize) -> impl Strategy<Value = String> {
    let lengths = prop_oneof![least..=most.min(4).max(least), least..=most, Just(most)];
    let digit = prop_oneof![4 => b'0'..=b'9', 1 => Just(b'9')];
    let digits = lengths.prop_flat_map(move |length| vec(digit.clone(), length));
    let zeros = prop_oneof![3 => Just(0), 1 => 0..=most];
    (digits, zeros).prop_map(|(mut digits, zeros)| {
        let zeros = zeros.min(digits.len());
        digits[..zeros].fill(b'0');
        digits.into_iter().map(char::from).collect()
    })
}

/// The value of at most 38 digits.
pub(super) fn number(digits: &str) -> u128 {
    digits.bytes().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'))
}

/// `0.digits` of a unit, cut off: in two halves, of which neither overflows.
pub(super) fn fraction(digits: &str, unit: u128) -> u128 {
    let (high, low) = digits.split_at(digits.len() / 2);
    let scale = |digits: &str| 10_u128.pow(digits.len() as u32);
    let below = number(low) * unit / scale(low);
    (number(high) * unit + below) / scale(high)
}

fn millis(text: String) -> Valid {
    let meaning = Meaning::In(number(&text) * MILLI);
    Valid { text, meaning }
}

fn envoy() -> impl Strategy<Value = Valid> {
    digits(1, MAX_BYTES).prop_map(|text| match millis(text) {
        Valid { text, meaning: Meaning::In(0) } => Valid { text, meaning: Meaning::NoLimit },
        limit => limit,
    })
}

fn grpc() -> impl Strategy<Value = Valid> {
    (digits(1, 8), select(&GRPC_UNITS))
        .prop_map(|(digits, (name, unit))| Valid { meaning: Meaning::In(number(&digits) * unit), text: digits + name })
}

fn go_duration() -> impl Strategy<Value = Valid> {
    prop_oneof![
        1 => digits(1, MAX_BYTES).prop_map(millis),
        4 => vec(component(), 1..=4).prop_map(sum),
    ]
}

/// As many of them as there is room for.
fn sum(components: Vec<(String, u128)>) -> Valid {
    let (mut text, mut nanos) = (String::new(), 0_u128);
    for (component, more) in components {
        if text.len() + component.len() <= MAX_BYTES {
            text += &component;
            nanos = nanos.saturating_add(more);
        }
    }
    let meaning = Meaning::In(nanos);
    Valid { text, meaning }
}

/// A number with a unit. Any of them alone has room: a unit takes three bytes at most, a point one.
fn component() -> impl Strategy<Value = (String, u128)> {
    let whole = prop_oneof![digits(1, 4), digits(1, 29)];
    let number = prop_oneof![
        whole.prop_map(|whole| (whole, None)),
        (digits(1, 16), digits(0, 12)).prop_map(|(whole, part)| (whole, Some(part))),
        digits(1, 28).prop_map(|part| (String::new(), Some(part))),
    ];
    let any = (number, select(&GO_UNITS)).prop_map(|((whole, part), (name, unit))| {
        let nanos = number_of(&whole, part.as_deref(), unit);
        let point = part.map(|part| format!(".{part}")).unwrap_or_default();
        (whole + &point + name, nanos)
    });
    prop_oneof![4 => any, 1 => barely_whole()]
}

/// Whole nanoseconds as a fraction of an hour, rounded up at some digit: a reader that drops one too early is
/// a nanosecond short.
fn barely_whole() -> impl Strategy<Value = (String, u128)> {
    (1..1_000_000_u128, 14..=30_usize).prop_map(|(nanos, length)| {
        let scale = 10_u128.pow(length as u32);
        let digits = (nanos * scale).div_ceil(HOUR);
        (format!(".{digits:0>length$}h"), nanos)
    })
}

fn number_of(whole: &str, part: Option<&str>, unit: u128) -> u128 {
    let part = fraction(part.unwrap_or_default(), unit);
    number(whole).saturating_mul(unit).saturating_add(part)
}
