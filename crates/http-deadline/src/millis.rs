//! Remaining time for peers that take whole milliseconds.

use std::num::NonZeroU64;
use std::time::Duration;

/// `left` in whole milliseconds, cut off and at most `most`; `None` below one millisecond.
///
/// For limits in which zero means "no limit", as in `statement_timeout` of the SQL databases: rounding what
/// is left down to zero would lift the limit, so there is no such value here.
///
/// ```
/// use http_deadline::whole_millis;
/// use std::time::Duration;
///
/// let most = i32::MAX as u64;
/// assert_eq!(whole_millis(Duration::from_micros(1_999), most).map(u64::from), Some(1));
/// assert_eq!(whole_millis(Duration::from_micros(999), most), None);
/// ```
#[must_use]
pub fn whole_millis(left: Duration, most: u64) -> Option<NonZeroU64> {
    let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    NonZeroU64::new(millis.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_zero_and_never_more_than_the_most() {
        let millis = |left, most| whole_millis(left, most).map(u64::from);
        assert_eq!(millis(Duration::ZERO, 10), None);
        assert_eq!(millis(Duration::from_nanos(999_999), 10), None);
        assert_eq!(millis(Duration::from_nanos(1_000_000), 10), Some(1));
        assert_eq!(millis(Duration::MAX, 10), Some(10));
        assert_eq!(millis(Duration::MAX, u64::MAX), Some(u64::MAX));
    }
}
