//! `grpc-timeout`: `TimeoutValue TimeoutUnit`, after the gRPC over HTTP/2 protocol.
//!
//! > TimeoutValue → {positive integer as ASCII string of at most 8 digits}

use std::time::Duration;

use super::{Bad, Encoded, MAX_TIMEOUT, digits};

const MAX_DIGITS: usize = 8;
const MOST: u128 = 99_999_999;

/// Finest first.
const UNITS: [(u8, &str, u64); 6] = [
    (b'n', "n", 1),
    (b'u', "u", 1_000),
    (b'm', "m", 1_000_000),
    (b'S', "S", 1_000_000_000),
    (b'M', "M", 60 * 1_000_000_000),
    (b'H', "H", 3_600 * 1_000_000_000),
];

pub(super) fn decode(value: &[u8]) -> Result<Duration, Bad> {
    let (unit, number) = value.split_last().ok_or(Bad)?;
    let (_, _, nanos) = UNITS.iter().find(|(byte, ..)| byte == unit).ok_or(Bad)?;
    let number = digits::only(number, MAX_DIGITS).ok_or(Bad)?;
    Ok(Duration::from_nanos(number.saturating_mul(*nanos)).min(MAX_TIMEOUT))
}

/// In the finest unit that fits into eight digits.
pub(super) fn encode(left: Duration) -> Option<Encoded> {
    let nanos = left.min(MAX_TIMEOUT).as_nanos();
    let fits = |unit: u64| nanos / u128::from(unit) <= MOST;
    let (_, unit, size) = UNITS.into_iter().find(|(_, _, unit)| fits(*unit))?;
    let number = u64::try_from(nanos / u128::from(size)).ok()?;
    (number > 0).then(|| Encoded::new("", number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_timeout_fits() {
        assert_eq!(encode(Duration::MAX).map(|encoded| encoded.to_string()).as_deref(), Some("2562047H"));
    }

    #[test]
    fn a_sign_is_no_digit() {
        assert_eq!(decode(b"+5S"), Err(Bad));
        assert_eq!(decode("5\u{b5}".as_bytes()), Err(Bad));
    }
}
