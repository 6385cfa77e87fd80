//! What a single argument can be.

use std::net::SocketAddr;
use std::time::Duration;

use crate::duration::duration;

/// A limit in time: above zero.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    let limit = duration(text)?;
    if limit.is_zero() { Err("a duration above zero is expected, such as 300ms or 1.5s".to_owned()) } else { Ok(limit) }
}

/// A limit in number: above zero.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "a whole number above zero is expected".to_owned())
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "IP:PORT is expected, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned())
}

/// Something that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff<T>(pub Option<T>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_the_header() {
        assert_eq!(limit("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(limit("250"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn a_count_is_above_zero() {
        assert_eq!(count("7"), Ok(7));
        for bad in ["0", "-1", "many", "1.5"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
