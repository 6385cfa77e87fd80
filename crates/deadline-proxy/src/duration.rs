//! Durations on the command line: written as in the header, so there is one grammar to learn.

use std::time::{Duration, UNIX_EPOCH};

use tower_deadline::Dialect;

/// A duration in the grammar of `X-Request-Timeout`.
///
/// # Errors
///
/// What was expected, for a message that names the argument.
pub fn duration(text: &str) -> Result<Duration, String> {
    let decoded = Dialect::XRequestTimeout.decode(text.as_bytes(), UNIX_EPOCH);
    decoded.ok().flatten().ok_or_else(|| format!("{} is expected", Dialect::XRequestTimeout.grammar()))
}
