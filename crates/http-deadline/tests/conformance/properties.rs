//! What holds for every duration, every wall clock and every element.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use http_deadline::dialect::{BareDigits, MAX_TIMEOUT, Malformed, request_start};
use http_deadline::{Dialect, Dialects};
use proptest::prelude::*;
use proptest::sample::select;

use self::damage::{arbitrary, damaged};
use self::expressible::expressible;
use self::grammar::{MAX_BYTES, Meaning, element};
use self::times::{MAX_SKEW, MILLI, SECOND, ahead, left, saturated, system_time, wall};

mod damage;
mod expressible;
mod fields;
mod grammar;
mod instants;
mod reach;
mod times;
mod told;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) }
}

proptest! {
    #![proptest_config(config())]

    // R4
    #[test]
    fn what_is_written_is_above_zero_and_never_more_than_is_left(left in left(), wall in wall()) {
        for dialect in Dialect::ALL {
            let Some(encoded) = dialect.encode(left, system_time(wall)) else {
                continue;
            };
            let decoded = decode(dialect, encoded.as_bytes(), wall).unwrap().unwrap();
            prop_assert!(!decoded.is_zero(), "{dialect}: {encoded}");
            prop_assert!(decoded <= left, "{dialect}: {encoded}");
        }
    }

    // R4
    #[test]
    fn what_is_written_is_one_element_of_a_legal_field(left in left(), wall in wall()) {
        for dialect in Dialect::ALL {
            let Some(encoded) = dialect.encode(left, system_time(wall)) else {
                continue;
            };
            let value = HeaderValue::try_from(&encoded).unwrap();
            prop_assert_eq!(value.as_bytes(), encoded.as_bytes());
            prop_assert!(encoded.as_bytes().iter().all(u8::is_ascii_alphanumeric));
            prop_assert!(encoded.as_bytes().len() <= MAX_BYTES);
        }
    }

    // R4
    #[test]
    fn nothing_is_written_only_where_there_is_no_whole_unit(left in left(), wall in wall()) {
        let milli = Duration::from_millis(1);
        for dialect in Dialect::ALL {
            let silent = dialect.encode(left, system_time(wall)).is_none();
            prop_assert!(!silent || match dialect {
                Dialect::XRequestTimeout | Dialect::GrpcTimeout => left.is_zero(),
                Dialect::XRequestDeadline => left < milli || wall < 0,
                _ => left < milli,
            }, "{dialect}");
        }
    }

    // R4
    #[test]
    fn what_is_written_is_all_that_the_dialect_can_express(left in left(), wall in wall()) {
        for dialect in Dialect::ALL {
            let encoded = dialect.encode(left, system_time(wall));
            let said = encoded.and_then(|it| decode(dialect, it.as_bytes(), wall).unwrap());
            prop_assert_eq!(said, expressible(dialect, left, wall), "{} {:?}", dialect, encoded);
        }
    }

    // R5, R8
    #[test]
    fn no_bytes_make_decoding_panic(bytes in arbitrary(), wall in wall()) {
        for bare in [BareDigits::Millis, BareDigits::Seconds, BareDigits::Reject] {
            let dialects = Dialects::default().bare_digits(bare);
            for dialect in Dialect::ALL {
                let Ok(timeout) = dialects.decode(dialect, &bytes, system_time(wall)) else {
                    continue;
                };
                prop_assert!(timeout.unwrap_or_default() <= MAX_TIMEOUT, "{dialect}");
                prop_assert!(bytes.trim_ascii().len() <= MAX_BYTES, "{dialect}");
                let signed = bytes.iter().any(|byte| matches!(byte, b'+' | b'-'));
                prop_assert!(!signed || dialect == Dialect::XRequestDeadline, "{dialect}");
            }
        }
        let queued = request_start::queued(&bytes, system_time(wall));
        prop_assert!(queued.unwrap_or_default() <= Duration::from_secs(600));
    }

    // R5
    #[test]
    fn a_valid_element_means_what_its_numbers_say(
        (dialect, valid) in element(), ahead in ahead(), wall in wall(),
    ) {
        let wall = valid.meaning.wall(ahead, wall);
        let decoded = decode(dialect, valid.text.as_bytes(), wall);
        prop_assert_eq!(decoded, Ok(valid.meaning.timeout(wall)));
    }

    // R5
    #[test]
    fn bare_digits_mean_what_the_configuration_says(digits in grammar::digits(1, MAX_BYTES)) {
        let number = grammar::number(&digits);
        for (bare, meant) in [
            (BareDigits::Millis, Some(number * MILLI)),
            (BareDigits::Seconds, Some(number.saturating_mul(SECOND))),
            (BareDigits::Reject, (number == 0).then_some(0)),
        ] {
            let dialects = Dialects::default().bare_digits(bare);
            let decoded = dialects.decode(Dialect::XRequestTimeout, digits.as_bytes(), UNIX_EPOCH);
            prop_assert_eq!(decoded.ok(), meant.map(|nanos| Some(saturated(nanos))), "{:?}", bare);
        }
    }

    // R5
    #[test]
    fn blanks_are_trimmed_around_a_request_timeout_and_malformed_elsewhere(
        (dialect, valid) in element(),
        (before, after) in select(&[("", " "), (" ", ""), ("\t \t", "  "), ("", "\t")]),
    ) {
        let wall = valid.meaning.wall(0, 0);
        let padded = format!("{before}{}{after}", valid.text);
        let decoded = decode(dialect, padded.as_bytes(), wall).ok();
        let trimmed = dialect == Dialect::XRequestTimeout;
        prop_assert_eq!(decoded, trimmed.then(|| valid.meaning.timeout(wall)));
    }

    // R5
    #[test]
    fn one_thing_wrong_makes_an_element_malformed((dialect, valid, bytes) in damaged()) {
        let wall = valid.meaning.wall(0, 0);
        prop_assert!(decode(dialect, valid.text.as_bytes(), wall).is_ok());
        let malformed = decode(dialect, &bytes, wall).map_err(|malformed| malformed.dialect());
        prop_assert_eq!(malformed, Err(dialect), "{}", bytes.escape_ascii());
    }

    // R5
    #[test]
    fn what_no_calendar_has_is_malformed(instant in instants::impossible()) {
        let decoded = decode(Dialect::XRequestDeadline, instant.as_bytes(), 0);
        prop_assert!(decoded.is_err(), "{instant}");
    }

    // R3
    #[test]
    fn an_instant_too_far_past_is_malformed(valid in instants::valid(), more in 1..MILLI as i128) {
        let wall = valid.meaning.wall(-MAX_SKEW - more, 0);
        let too_late = matches!(valid.meaning, Meaning::At(at) if at < wall);
        let decoded = decode(Dialect::XRequestDeadline, valid.text.as_bytes(), wall);
        prop_assert_eq!(decoded.is_err(), too_late);
    }
}

fn decode(dialect: Dialect, element: &[u8], wall: i128) -> Result<Option<Duration>, Malformed> {
    dialect.decode(element, system_time(wall))
}
