//! `X-Request-Start`: when a trusted front saw the request.
//!
//! Covers reading the stamp into the time the request has queued (R8), and writing one. Does not decide whom
//! to trust: a stamp from a stranger shortens the stranger's own request, but only a front that stamps every
//! request makes the number mean anything, so reading is opt-in.
//!
//! ```
//! use http_deadline::dialect::request_start;
//! use std::time::{Duration, SystemTime, UNIX_EPOCH};
//!
//! let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
//! assert_eq!(request_start::queued(b"t=1700000000.250", wall), Some(Duration::from_millis(250)));
//! assert_eq!(request_start::encode(wall).as_ref().map(|stamp| stamp.as_str()), Some("t=1700000000500000"));
//! ```

use std::time::{Duration, SystemTime};

use super::absolute::unix_nanos;
use super::{Encoded, MAX_BYTES, digits};

/// The name of the field.
pub const NAME: &str = "x-request-start";

/// More than this is garbage, not a queue.
const MAX_QUEUED: Duration = Duration::from_secs(600);

/// The time since the stamp: zero for one in the future, `None` for garbage and for more than ten minutes.
///
/// The unit is told by the size of the number: seconds, milliseconds, microseconds or nanoseconds since the
/// Unix epoch, with a fraction or without, after an optional `t=`.
#[must_use]
pub fn queued(value: &[u8], wall: SystemTime) -> Option<Duration> {
    let stamp = value.strip_prefix(b"t=").unwrap_or(value);
    let stamped = stamp_nanos(stamp).filter(|_| value.len() <= MAX_BYTES)?;
    let nanos = u64::try_from((unix_nanos(wall) - stamped).max(0)).ok()?;
    Some(Duration::from_nanos(nanos)).filter(|queued| *queued <= MAX_QUEUED)
}

/// A stamp of `wall`, in microseconds; `None` before 1970.
#[must_use]
pub fn encode(wall: SystemTime) -> Option<Encoded> {
    let micros = u64::try_from(unix_nanos(wall) / 1_000).ok()?;
    Some(Encoded::new("t=", micros, ""))
}

fn stamp_nanos(stamp: &[u8]) -> Option<i128> {
    let (whole, rest) = digits::leading(stamp);
    let fraction = match rest.strip_prefix(b".") {
        Some(fraction) => fraction,
        None if rest.is_empty() => b"0",
        None => return None,
    };
    // Ten digits of seconds lie between the years 2001 and 2286; the finer units follow.
    let unit: i128 = match whole.len() {
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    digits::only(fraction, MAX_BYTES)?;
    let kept = fraction.get(..9).unwrap_or(fraction);
    let scale = kept.iter().fold(1_i128, |scale, _| scale * 10);
    Some(i128::from(digits::value(whole)) * unit + i128::from(digits::value(kept)) * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)
    }

    #[test]
    fn ten_minutes_are_a_queue_and_more_is_garbage() {
        let stamp = |seconds: u64| format!("t={}.5", 1_700_000_000 - seconds);
        assert_eq!(queued(stamp(600).as_bytes(), wall()), Some(MAX_QUEUED));
        assert_eq!(queued(stamp(601).as_bytes(), wall()), None);
    }

    #[test]
    fn nanoseconds_are_known_by_their_size() {
        assert_eq!(queued(b"1700000000250000000", wall()), Some(Duration::from_millis(250)));
    }

    #[test]
    fn garbage_is_no_stamp() {
        for bad in [&b""[..], b"t=", b"t=1700000000.", b"t=1700000000.2.5", b"t=+170000000", b"t=1700000000 "] {
            assert_eq!(queued(bad, wall()), None, "{bad:?}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let stamp = encode(wall()).ok_or("no stamp");
        let later = wall() + Duration::from_millis(40);
        assert_eq!(stamp.map(|stamp| queued(stamp.as_bytes(), later)), Ok(Some(Duration::from_millis(40))));
        assert_eq!(encode(UNIX_EPOCH - Duration::from_secs(1)), None);
    }
}
