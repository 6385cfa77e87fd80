//! Leaving: what is left, written fresh.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::call::{Seen, each_line};
use super::set::Field;
use super::{Call, Dialect, Dialects, request_start};

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
///
/// It is worth keeping where more is done with the same headers than one thing, and holds while nobody adds a field to
/// them.
///
/// ```
/// use http::HeaderMap;
/// use http_deadline::Dialects;
/// use http_deadline::dialect::Call;
///
/// let dialects = Dialects::default();
/// let mut headers = HeaderMap::new();
/// headers.insert("content-type", "application/grpc".parse()?);
/// headers.insert("grpc-timeout", "1S".parse()?);
/// let found = dialects.find(&headers);
/// assert_eq!(found.call(), Call::Grpc);
/// dialects.strip_found(&mut headers, found);
/// assert_eq!(headers.len(), 1);
/// # Ok::<_, http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// A bit for each dialect.
    timeouts: u8,
    start: bool,
    renamed: bool,
    any: bool,
    seen: Seen,
}

impl Found {
    /// What kind of call the message is: the same as [`Call::of`], without looking at the fields again.
    #[must_use]
    #[inline]
    pub fn call(self) -> Call {
        self.seen.call()
    }

    /// Whether there is a [`GRPC_STATUS`](super::GRPC_STATUS).
    #[must_use]
    #[inline]
    pub fn has_grpc_status(self) -> bool {
        self.seen.has_status()
    }
}

impl Dialects {
    /// Removes every deadline field from the headers of a request or a response (R9), also of dialects that
    /// are not read: a field that this hop passed on unread would be stale at the next one.
    pub fn strip(&self, headers: &mut HeaderMap) {
        self.strip_found(headers, self.find(headers));
    }

    /// The same as [`strip`](Self::strip), of headers in which this was found.
    #[inline]
    pub fn strip_found(&self, headers: &mut HeaderMap, found: Found) {
        if found.any {
            self.remove(headers, found, 0);
        }
    }

    /// Which deadline fields there are, and the kind of the call, by one pass over the names.
    #[must_use]
    pub fn find(&self, headers: &HeaderMap) -> Found {
        let mut found = Found::default();
        for (at, name) in headers.keys().enumerate() {
            let Some(field) = self.recognise(name) else { continue };
            match field {
                Field::Kind(kind) => {
                    each_line(headers, name, at, |line| found.seen.see(kind, line));
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

    /// Removes them, but for those of the dialects with these bits.
    fn remove(&self, headers: &mut HeaderMap, found: Found, kept: u8) {
        let goes = found.timeouts & !kept;
        for dialect in Dialect::ALL.into_iter().filter(|dialect| goes & dialect.bit() != 0) {
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
        self.write_found(headers, self.find(headers), left, wall)
    }

    /// The same as [`write`](Self::write), to headers in which this was found.
    ///
    /// # Errors
    ///
    /// As of [`write`](Self::write).
    pub fn write_found(
        &self,
        headers: &mut HeaderMap,
        found: Found,
        left: Duration,
        wall: SystemTime,
    ) -> Result<(), Inexpressible> {
        let written = self.written_by(found.call());
        if found.any {
            // What is written anew replaces every line of what stood there.
            self.remove(headers, found, written);
        }
        // Of a name in several lines, all but the first have to go.
        let in_place = if headers.len() == headers.keys_len() { found.timeouts } else { 0 };
        for dialect in Dialect::ALL.into_iter().filter(|dialect| written & dialect.bit() != 0) {
            let in_place = in_place & dialect.bit() != 0;
            self.write_field(headers, dialect, in_place, (left, wall)).ok_or_else(|| {
                self.strip(headers);
                Inexpressible { dialect }
            })?;
        }
        Ok(())
    }

    /// `in_place`: there is one line of it.
    fn write_field(
        &self,
        headers: &mut HeaderMap,
        dialect: Dialect,
        in_place: bool,
        (left, wall): (Duration, SystemTime),
    ) -> Option<()> {
        let (name, value) = (self.name_of(dialect), HeaderValue::try_from(&dialect.encode(left, wall)?).ok()?);
        match if in_place { headers.get_mut(name) } else { None } {
            Some(old) => *old = value,
            None => drop(headers.try_insert(name.clone(), value).ok()?),
        }
        Some(())
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

    // R9
    #[test]
    fn one_line_is_written_over_and_of_several_lines_one_is_left() {
        let dialects = Dialects::default();
        for lines in [&["9s"][..], &["9s", "8s"]] {
            for other in [&["a"][..], &["a", "b"]] {
                let mut headers = HeaderMap::new();
                for (name, values) in [("x-request-timeout", lines), ("accept", other)] {
                    for value in values {
                        headers.append(name, HeaderValue::from_str(value).unwrap());
                    }
                }
                dialects.write(&mut headers, Duration::from_millis(180), UNIX_EPOCH).unwrap();
                assert!(headers.get_all("x-request-timeout").iter().eq(["180ms"]), "{lines:?}, {other:?}");
                assert_eq!(headers.get_all("accept").iter().count(), other.len());
            }
        }
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
