//! `Connect-Timeout-Ms`, after the Connect protocol.
//!
//! > Timeout-Milliseconds → {positive integer as ASCII string of at most 10 digits}

use std::time::Duration;

use super::{Bad, Encoded, digits};
use crate::whole_millis;

const MAX_DIGITS: usize = 10;
const MOST: u64 = 9_999_999_999;

pub(super) fn decode(value: &[u8]) -> Result<Duration, Bad> {
    digits::only(value, MAX_DIGITS).map(Duration::from_millis).ok_or(Bad)
}

pub(super) fn encode(left: Duration) -> Option<Encoded> {
    whole_millis(left, MOST).map(|millis| Encoded::new("", millis.get(), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_ten_digits_and_writes_no_more() {
        assert_eq!(decode(b"9999999999"), Ok(Duration::from_millis(MOST)));
        assert_eq!(decode(b"10000000000"), Err(Bad));
        assert_eq!(encode(Duration::MAX).map(|encoded| encoded.to_string()).as_deref(), Some("9999999999"));
        assert_eq!(encode(Duration::from_micros(999)), None);
    }
}
