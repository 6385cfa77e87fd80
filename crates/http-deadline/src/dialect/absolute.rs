//! `X-Request-Deadline`: an instant of the wall clock, in RFC 3339 or in Unix milliseconds.
//!
//! Instants need clocks that agree (R3), so it is opt-in and guarded: an instant that lies further in the
//! past than the skew bound tells of a wrong clock, not of an expired request, and is malformed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Bad, Encoded, MAX_BYTES, MAX_TIMEOUT, digits};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;

pub(super) fn decode(value: &[u8], wall: SystemTime, max_skew: Duration) -> Result<Duration, Bad> {
    if value.len() > MAX_BYTES {
        return Err(Bad);
    }
    let at = match digits::only(value, MAX_BYTES) {
        Some(millis) => i128::from(millis) * NANOS_PER_MILLI,
        None => rfc3339(value).ok_or(Bad)?,
    };
    let left = at - unix_nanos(wall);
    match u64::try_from(left) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos).min(MAX_TIMEOUT)),
        Err(_) if left > 0 => Ok(MAX_TIMEOUT),
        Err(_) if left.unsigned_abs() <= max_skew.as_nanos() => Ok(Duration::ZERO),
        Err(_) => Err(Bad),
    }
}

/// Unix milliseconds, cut off, where they lie after `wall`.
pub(super) fn encode(left: Duration, wall: SystemTime) -> Option<Encoded> {
    let now = unix_nanos(wall);
    let left = i128::try_from(left.min(MAX_TIMEOUT).as_nanos()).ok()?;
    let millis = (now + left).div_euclid(NANOS_PER_MILLI);
    let millis = u64::try_from(millis).ok().filter(|_| millis * NANOS_PER_MILLI > now)?;
    Some(Encoded::new("", millis, ""))
}

/// Nanoseconds since the Unix epoch, below zero before it.
pub(super) fn unix_nanos(wall: SystemTime) -> i128 {
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match wall.duration_since(UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    }
}

/// `2026-11-21T10:00:00.5Z`, or with an offset such as `+01:00`.
fn rfc3339(value: &[u8]) -> Option<i128> {
    let (date, time) = value.split_at_checked(10)?;
    let (time, rest) = time.split_at_checked(9)?;
    let days = days(date)?;
    let seconds = seconds(time)?;
    let (fraction, zone) = match rest.strip_prefix(b".") {
        Some(rest) => digits::leading(rest),
        None => (&b"0"[..], rest),
    };
    let nanos = nanos(fraction)?;
    let seconds = days * 86_400 + seconds - offset(zone)?;
    Some(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}

/// Days from the Unix epoch to a date of the Gregorian calendar.
fn days(date: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4], 0..=9999)?;
    let month = number(&[m1, m2], 1..=12)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = number(&[d1, d2], 1..=last)?;
    // Years are counted from March, so that the leap day is the last of its year: its day number is then
    // a function of the month alone.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const MARCH_0000_TO_EPOCH: i64 = 719_468;
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - MARCH_0000_TO_EPOCH)
}

/// Seconds of the day in `T10:00:00`. A leap second counts as the next one's first.
fn seconds(time: &[u8]) -> Option<i64> {
    let &[b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2] = time else {
        return None;
    };
    let (hours, minutes) = (number(&[h1, h2], 0..=23)?, number(&[m1, m2], 0..=59)?);
    Some(hours * 3_600 + minutes * 60 + number(&[s1, s2], 0..=60)?)
}

/// Nanoseconds of a fraction's digits; what is finer is cut off.
fn nanos(fraction: &[u8]) -> Option<u64> {
    let kept = fraction.get(..9).unwrap_or(fraction);
    let value = digits::only(kept, 9)?;
    Some(kept.iter().fold(value * NANOS_PER_SECOND as u64, |nanos, _| nanos / 10))
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, zone) = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', zone @ ..] => (1, zone),
        [b'-', zone @ ..] => (-1, zone),
        _ => return None,
    };
    let &[h1, h2, b':', m1, m2] = zone else {
        return None;
    };
    let (hours, minutes) = (number(&[h1, h2], 0..=23)?, number(&[m1, m2], 0..=59)?);
    Some(sign * (hours * 3_600 + minutes * 60))
}

fn number(bytes: &[u8], range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let value = i64::try_from(digits::only(bytes, bytes.len())?).ok()?;
    range.contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(5);

    /// 2023-11-14T22:13:20Z
    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn left(value: &str) -> Result<Duration, Bad> {
        decode(value.as_bytes(), wall(), SKEW)
    }

    #[test]
    fn an_instant_and_its_unix_milliseconds_say_the_same() {
        for value in [
            "2023-11-14T22:13:20.5Z",
            "2023-11-14t22:13:20.500z",
            "2023-11-14T23:13:20.5+01:00",
            "2023-11-14T16:43:20.5-05:30",
            "1700000000500",
        ] {
            assert_eq!(left(value), Ok(Duration::from_millis(500)), "{value}");
        }
    }

    #[test]
    fn knows_the_calendar() {
        let day = |date: &str| days(date.as_bytes());
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-02-29"), Some(11_016));
        assert_eq!(day("2000-03-01"), Some(11_017));
        assert_eq!(day("2024-12-31"), Some(20_088));
        assert_eq!(day("0000-03-01"), Some(-719_468));
        for bad in ["1900-02-29", "2023-02-29", "2023-04-31", "2023-13-01", "2023-00-01", "2023-01-00", "2023-1-01"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn passed_within_the_skew_bound_is_expired_and_beyond_it_malformed() {
        assert_eq!(left("1700000000000"), Ok(Duration::ZERO));
        assert_eq!(left("1699999995000"), Ok(Duration::ZERO));
        assert_eq!(left("1699999994999"), Err(Bad));
        // Seconds taken for milliseconds: an instant in January 1970.
        assert_eq!(left("1700000001"), Err(Bad));
    }

    #[test]
    fn what_is_no_instant_is_malformed() {
        for bad in [
            "",
            "soon",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:60:00Z",
            "2023-11-14T22:13:61Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20+1:00",
            "2023-11-14T22:13:20.123456789012+00:00",
            "-1",
            "+1700000000500",
            "٢٠٢٣-11-14T22:13:20Z",
        ] {
            assert_eq!(left(bad), Err(Bad), "{bad}");
        }
    }

    #[test]
    fn a_leap_second_counts_as_the_next_seconds_first() {
        assert_eq!(left("2023-11-14T22:13:60Z"), left("2023-11-14T22:14:00Z"));
    }

    #[test]
    fn writes_nothing_that_is_not_after_now() {
        let odd = wall() + Duration::from_micros(700);
        assert_eq!(encode(Duration::from_micros(299), odd), None);
        let written = encode(Duration::from_micros(300), odd).map(|encoded| encoded.to_string());
        assert_eq!(written.as_deref(), Some("1700000000001"));
    }
}
