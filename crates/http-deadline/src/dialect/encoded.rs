//! A field value on the stack.

use std::fmt;

use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// What `u64::MAX` and a suffix of three bytes need.
const CAPACITY: usize = 23;

/// A number with an optional prefix and suffix, written without an allocation.
///
/// A [`HeaderValue`] made of it costs exactly one.
///
/// ```
/// use http_deadline::Dialect;
/// use std::time::{Duration, SystemTime};
///
/// let left = Duration::from_micros(1_999);
/// let encoded = Dialect::XRequestTimeout.encode(left, SystemTime::now());
/// assert_eq!(encoded.as_ref().map(|encoded| encoded.as_str()), Some("1ms"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// Filled from the end.
    bytes: [u8; CAPACITY],
    start: u8,
}

impl Encoded {
    /// `prefix`, the digits of `number`, `suffix`. What does not fit is left out at the front, which the
    /// callers' constants rule out: 20 digits and 3 bytes are the most they write.
    pub(super) fn new(prefix: &str, number: u64, suffix: &str) -> Self {
        let mut encoded = Self { bytes: [0; CAPACITY], start: CAPACITY as u8 };
        suffix.bytes().rev().for_each(|byte| encoded.put(byte));
        let mut rest = number;
        loop {
            encoded.put(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        prefix.bytes().rev().for_each(|byte| encoded.put(byte));
        encoded
    }

    fn put(&mut self, byte: u8) {
        let Some(at) = self.start.checked_sub(1) else {
            return;
        };
        if let Some(place) = self.bytes.get_mut(usize::from(at)) {
            *place = byte;
            self.start = at;
        }
    }

    /// The bytes, all of them visible ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or_default()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl TryFrom<&Encoded> for HeaderValue {
    type Error = InvalidHeaderValue;

    /// Costs one allocation. It does not fail: digits and units are all that an `Encoded` holds.
    fn try_from(encoded: &Encoded) -> Result<Self, Self::Error> {
        Self::from_bytes(encoded.as_bytes())
    }
}

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_largest_number_with_its_unit() {
        assert_eq!(Encoded::new("", u64::MAX, "ms").as_str(), "18446744073709551615ms");
        assert_eq!(Encoded::new("t=", 0, "").as_str(), "t=0");
    }
}
