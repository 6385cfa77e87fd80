//! `X-Request-Timeout`: a Go duration without a sign, or bare digits.

use std::time::Duration;

use super::{Bad, BareDigits, Encoded, MAX_BYTES, MAX_TIMEOUT, digits};

/// Both micro signs: U+00B5 and U+03BC. They arrive as bytes: `HeaderValue::to_str` refuses them.
const UNITS: [(&[u8], u64); 8] = [
    (b"ns", 1),
    (b"us", 1_000),
    (b"\xC2\xB5s", 1_000),
    (b"\xCE\xBCs", 1_000),
    (b"ms", 1_000_000),
    (b"s", 1_000_000_000),
    (b"m", 60 * 1_000_000_000),
    (b"h", 3_600 * 1_000_000_000),
];

/// One element, without the blanks around it.
pub(super) fn decode(element: &[u8], bare: BareDigits) -> Result<Duration, Bad> {
    if element.len() > MAX_BYTES {
        return Err(Bad);
    }
    let (number, unit) = digits::leading(element);
    match unit {
        b"" if !number.is_empty() => return decode_bare(digits::value(number), bare),
        // What is written most is not looked for among all that could be.
        b"ms" if is_short(number) => return Ok(Duration::from_millis(digits::value(number))),
        b"s" if is_short(number) => return Ok(Duration::from_secs(digits::value(number))),
        _ => {}
    }
    let (mut nanos, mut rest) = component(element)?;
    while !rest.is_empty() {
        let (more, after) = component(rest)?;
        nanos = nanos.saturating_add(more);
        rest = after;
    }
    let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
    Ok(Duration::from_nanos(nanos).min(MAX_TIMEOUT))
}

/// Whether there are digits, and not so many that what they say could be cut.
fn is_short(number: &[u8]) -> bool {
    (1..=9).contains(&number.len())
}

fn decode_bare(number: u64, bare: BareDigits) -> Result<Duration, Bad> {
    match bare {
        BareDigits::Millis => Ok(Duration::from_millis(number).min(MAX_TIMEOUT)),
        BareDigits::Seconds => Ok(Duration::from_secs(number).min(MAX_TIMEOUT)),
        // A zero is the same in every unit, as in Go.
        BareDigits::Reject if number == 0 => Ok(Duration::ZERO),
        BareDigits::Reject => Err(Bad),
    }
}

/// A number with its unit at the start: its nanoseconds, and what follows.
fn component(bytes: &[u8]) -> Result<(u128, &[u8]), Bad> {
    let (whole, rest) = digits::leading(bytes);
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(after) => digits::leading(after),
        None => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(Bad);
    }
    let (unit, rest) = unit(rest).ok_or(Bad)?;
    let whole = u128::from(digits::value(whole)) * u128::from(unit);
    Ok((whole + fraction_nanos(fraction, unit), rest))
}

/// The nanoseconds of `0.fraction` units, cut off. It is divided digit by digit from the last one on, so that
/// no number of digits is too many and none is dropped.
fn fraction_nanos(fraction: &[u8], unit: u64) -> u128 {
    let nanos = fraction.iter().rev().fold(0, |below, digit| (u64::from(digit - b'0') * unit + below) / 10);
    nanos.into()
}

/// The longest unit at the start: `ms` before `m`, which is why `UNITS` has `m` behind it.
fn unit(bytes: &[u8]) -> Option<(u64, &[u8])> {
    UNITS.iter().find_map(|(name, nanos)| bytes.strip_prefix(*name).map(|rest| (*nanos, rest)))
}

/// In `ms`; below one in `us`; below one in `ns`.
pub(super) fn encode(left: Duration) -> Option<Encoded> {
    let left = left.min(MAX_TIMEOUT);
    // The longest timeout is an `i64` of them.
    let nanos = left.as_secs() * 1_000_000_000 + u64::from(left.subsec_nanos());
    let (number, unit) = match nanos {
        0 => return None,
        1..1_000 => (nanos, "ns"),
        1_000..1_000_000 => (nanos / 1_000, "us"),
        _ => (nanos / 1_000_000, "ms"),
    };
    Some(Encoded::new("", number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(element: &[u8]) -> Option<u128> {
        decode(element, BareDigits::Millis).ok().map(|timeout| timeout.as_nanos())
    }

    #[test]
    fn sums_components_and_cuts_fractions() {
        assert_eq!(nanos(b"1h30m"), Some(5_400_000_000_000));
        assert_eq!(nanos(b"1.9999999999s"), Some(1_999_999_999));
        assert_eq!(nanos(b"1.s"), Some(1_000_000_000));
        assert_eq!(nanos(b"0.0000000000000000000000000001h"), Some(0));
        assert_eq!(nanos(b".0000000000002777777777777777h"), Some(0));
        assert_eq!(nanos(b".0000000000002777777777777778h"), Some(1));
        assert_eq!(nanos("12\u{b5}s".as_bytes()), Some(12_000));
    }

    #[test]
    fn a_fraction_needs_a_unit_and_a_digit() {
        for bad in [&b"1.5"[..], b".s", b".", b"1..5s", b"1.5.5s", b"ms", b"5ss"] {
            assert_eq!(nanos(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn bare_digits_mean_what_the_configuration_says() {
        assert_eq!(decode(b"2", BareDigits::Seconds), Ok(Duration::from_secs(2)));
        assert_eq!(decode(b"2", BareDigits::Reject), Err(Bad));
        assert_eq!(decode(b"0", BareDigits::Reject), Ok(Duration::ZERO));
    }

    #[test]
    fn writes_the_finest_unit_only_where_it_must() {
        let text = |nanos| encode(Duration::from_nanos(nanos)).map(|encoded| encoded.to_string());
        assert_eq!(text(0), None);
        assert_eq!(text(999).as_deref(), Some("999ns"));
        assert_eq!(text(1_000).as_deref(), Some("1us"));
        assert_eq!(text(999_999).as_deref(), Some("999us"));
        assert_eq!(text(1_000_000).as_deref(), Some("1ms"));
        assert_eq!(encode(Duration::MAX).map(|encoded| encoded.to_string()).as_deref(), Some("9223372036854ms"));
    }
}
