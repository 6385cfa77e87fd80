//! Leaving: what is left, written fresh.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::call::Seen;
use super::set::Field;
use super::{Dialect, Dialects, request_start};

/// What is left cannot be written in a dialect that this call has to carry (R4, R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inexpressible {
    dialect: Dialect,
}

impl Inexpressible {
    /// The dialect that cannot express it.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        self.dialect
    }
}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is left of the deadline cannot be written as {}", self.dialect)
    }
}

impl Error for Inexpressible {}

/// What concerns deadlines among the fields of a message.
#[derive(Clone, Copy, Default)]
struct Present {
    /// A bit for each dialect.
    timeouts: u8,
    start: bool,
    renamed: bool,
    any: bool,
    seen: Seen,
}

impl Dialects {
    /// Removes every deadline field from the headers of a request or a response (R9), also of dialects that
    /// are not read: a field that this hop passed on unread would be stale at the next one.
    pub fn strip(&self, headers: &mut HeaderMap) {
        let found = self.find(headers);
        if found.any {
            self.remove(headers, found, |_| true);
        }
    }

    /// Which deadline fields there are, and the kind of the call, by one pass.
    fn find(&self, headers: &HeaderMap) -> Present {
        let mut found = Present::default();
        for (name, value) in headers {
            let Some(field) = self.recognise(name) else { continue };
            match field {
                Field::Kind(kind) => {
                    found.seen.see(kind, value.as_bytes());
                    continue;
                }
                Field::Timeout(dialect) => found.timeouts |= dialect.bit(),
                Field::RequestStart => found.start = true,
                Field::Renamed => found.renamed = true,
            }
            found.any = true;
        }
        found
    }

    fn remove(&self, headers: &mut HeaderMap, found: Present, goes: impl Fn(Dialect) -> bool) {
        let present = Dialect::ALL.into_iter().filter(|dialect| found.timeouts & dialect.bit() != 0);
        for dialect in present.filter(|dialect| goes(*dialect)) {
            headers.remove(self.name_of(dialect));
        }
        if found.start {
            headers.remove(HeaderName::from_static(request_start::NAME));
        }
        if found.renamed {
            headers.remove(Dialect::XRequestTimeout.name());
        }
    }

    /// Writes `left` to the headers of an outgoing request, in every dialect that this call carries, in place
    /// of whatever stood there (R9). Each value costs one allocation.
    ///
    /// # Errors
    ///
    /// [`Inexpressible`] where one of the dialects has no value for what is left, or the map is full. The
    /// headers are then without any deadline field, and the call must not be sent: its receiver would work
    /// without a limit (R16).
    pub fn write(&self, headers: &mut HeaderMap, left: Duration, wall: SystemTime) -> Result<(), Inexpressible> {
        let found = self.find(headers);
        let call = found.seen.call();
        let is_written = |dialect| self.writes(dialect) && call.carries(dialect);
        if found.any {
            // What is written anew replaces every line of what stood there.
            self.remove(headers, found, |dialect| !is_written(dialect));
        }
        for dialect in Dialect::ALL {
            if is_written(dialect) {
                self.write_field(headers, dialect, left, wall).ok_or_else(|| {
                    self.strip(headers);
                    Inexpressible { dialect }
                })?;
            }
        }
        Ok(())
    }

    fn write_field(&self, headers: &mut HeaderMap, dialect: Dialect, left: Duration, wall: SystemTime) -> Option<()> {
        let value = HeaderValue::try_from(&dialect.encode(left, wall)?).ok()?;
        headers.try_insert(self.name_of(dialect).clone(), value).ok().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn written(dialects: &Dialects, content_type: &'static str, left: Duration) -> Result<Vec<String>, Inexpressible> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        headers.append("x-request-timeout", HeaderValue::from_static("9s"));
        headers.append("x-request-timeout", HeaderValue::from_static("8s"));
        headers.append("x-envoy-upstream-rq-timeout-ms", HeaderValue::from_static("9000"));
        headers.append("x-request-start", HeaderValue::from_static("t=1700000000.250"));
        let outcome = dialects.write(&mut headers, left, UNIX_EPOCH);
        headers.remove("content-type");
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        assert!(outcome.is_ok() || lines.is_empty(), "an unsent call keeps no field");
        outcome.map(|()| lines)
    }

    #[test]
    fn each_kind_of_call_carries_its_own_dialects() {
        let dialects = Dialects::default();
        let left = Duration::from_millis(180);
        let lines = |content_type| written(&dialects, content_type, left).unwrap();
        assert_eq!(lines("application/json"), ["x-request-timeout: 180ms"]);
        assert_eq!(lines("application/grpc+proto"), ["grpc-timeout: 180000u", "x-request-timeout: 180ms"]);
        assert_eq!(lines("application/connect+json"), ["connect-timeout-ms: 180", "x-request-timeout: 180ms"]);
    }

    #[test]
    fn opt_in_dialects_are_written_too() {
        let dialects = Dialects::default()
            .with_write(Dialect::EnvoyExpected)
            .with_write(Dialect::XRequestDeadline)
            .without_write(Dialect::XRequestTimeout);
        let lines = written(&dialects, "text/plain", Duration::from_millis(180)).unwrap();
        assert_eq!(lines, ["x-envoy-expected-rq-timeout-ms: 180", "x-request-deadline: 180"]);
    }

    // R9
    #[test]
    fn a_field_under_its_old_name_does_not_leave_stale() {
        let dialects = Dialects::default().timeout_name(HeaderName::from_static("x-timeout"));
        let lines = written(&dialects, "text/plain", Duration::from_millis(180)).unwrap();
        assert_eq!(lines, ["x-timeout: 180ms"]);
    }

    #[test]
    fn what_one_dialect_cannot_express_is_not_sent_in_another() {
        let dialects = Dialects::default();
        let below = Duration::from_micros(999);
        assert_eq!(written(&dialects, "text/plain", below).unwrap(), ["x-request-timeout: 999us"]);
        let refused = written(&dialects, "application/connect+json", below).unwrap_err();
        assert_eq!(refused.dialect(), Dialect::ConnectTimeout);
        assert!(written(&dialects, "text/plain", Duration::ZERO).is_err());
    }
}
