//! Envoy's pair: `x-envoy-expected-rq-timeout-ms` and `x-envoy-upstream-rq-timeout-ms`.
//!
//! A zero is Envoy's "no limit" (R6), so it is read as if the field were absent.

use std::time::Duration;

use super::{Bad, Encoded, MAX_BYTES, MAX_TIMEOUT, digits};
use crate::whole_millis;

pub(super) fn decode(value: &[u8]) -> Result<Option<Duration>, Bad> {
    let millis = digits::only(value, MAX_BYTES).ok_or(Bad)?;
    Ok((millis > 0).then(|| Duration::from_millis(millis).min(MAX_TIMEOUT)))
}

pub(super) fn encode(left: Duration) -> Option<Encoded> {
    let left = left.min(MAX_TIMEOUT);
    whole_millis(left, u64::MAX).map(|millis| Encoded::new("", millis.get(), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_and_never_written() {
        assert_eq!(decode(b"000"), Ok(None));
        assert_eq!(encode(Duration::from_micros(999)), None);
    }

    #[test]
    fn reads_only_digits() {
        assert_eq!(decode(b"250"), Ok(Some(Duration::from_millis(250))));
        for bad in [&b""[..], b"250ms", b"-1", b"+1", b"1.5", b" 1"] {
            assert_eq!(decode(bad), Err(Bad), "{bad:?}");
        }
    }
}
