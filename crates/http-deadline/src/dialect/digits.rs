//! Digits, looked at one by one: `u64::from_str` would take a sign.

/// The digits at the start, and what follows them.
pub(super) fn leading(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit());
    bytes.split_at(end.unwrap_or(bytes.len()))
}

/// The value of digits, cut to `u64::MAX`.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// The value of bytes that are nothing but digits, at least one and at most `most` of them.
pub(super) fn only(bytes: &[u8], most: usize) -> Option<u64> {
    let (digits, rest) = leading(bytes);
    let fits = (1..=most).contains(&digits.len()) && rest.is_empty();
    fits.then(|| value(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_digits_and_nothing_else() {
        assert_eq!(only(b"0123", 4), Some(123));
        for bad in [&b""[..], b"+5", b"-5", b" 5", b"5 ", b"5a", b"01234"] {
            assert_eq!(only(bad, 4), None, "{bad:?}");
        }
    }

    #[test]
    fn cuts_what_is_too_large() {
        assert_eq!(only(b"18446744073709551615", 32), Some(u64::MAX));
        assert_eq!(only(b"18446744073709551616", 32), Some(u64::MAX));
        assert_eq!(only(&[b'9'; 32], 32), Some(u64::MAX));
    }

    #[test]
    fn splits_at_the_first_other_byte() {
        assert_eq!(leading(b"12ms"), (&b"12"[..], &b"ms"[..]));
        assert_eq!(leading(b"ms"), (&b""[..], &b"ms"[..]));
    }
}
