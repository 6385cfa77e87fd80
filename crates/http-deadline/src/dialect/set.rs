//! Which dialects a hop reads and writes, and how.

use std::time::{Duration, SystemTime};

use http::HeaderName;

use super::call::{Kind, MEDIA, STATUS, VERSION};
use super::{Bad, Call, Dialect, Malformed, absolute, connect, envoy, go_duration, grpc, request_start};

/// The dialects that a hop reads and writes.
///
/// By default it reads all of them but the absolute one, and writes `X-Request-Timeout`, with `grpc-timeout`
/// beside it when the call is gRPC and `Connect-Timeout-Ms` when it is Connect.
///
/// ```
/// use http::HeaderName;
/// use http_deadline::dialect::BareDigits;
/// use http_deadline::{Dialect, Dialects};
///
/// let dialects = Dialects::default()
///     .timeout_name(HeaderName::from_static("x-timeout"))
///     .bare_digits(BareDigits::Seconds)
///     .with_write(Dialect::EnvoyExpected)
///     .without_read(Dialect::ConnectTimeout);
/// # let _ = dialects;
/// ```
#[derive(Clone, Debug)]
pub struct Dialects {
    read: u8,
    write: u8,
    pub(super) timeout_name: HeaderName,
    bare_digits: BareDigits,
    max_skew: Duration,
    request_start: bool,
    /// The [marks](mark) of the names that mean something here. Most names of a request are told apart by theirs.
    marks: u64,
}

/// What digits without a unit mean in `X-Request-Timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BareDigits {
    /// Milliseconds: the default.
    #[default]
    Millis,
    /// Seconds.
    Seconds,
    /// Nothing: they are malformed, but for a zero.
    Reject,
}

/// A field that concerns deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Timeout(Dialect),
    RequestStart,
    /// `x-request-timeout` where the field has another name: not read, but stale if it were passed on.
    Renamed,
    /// What tells the kind of a call, and does not concern deadlines itself.
    Kind(Kind),
}

impl Dialects {
    /// Reads this dialect too.
    #[must_use]
    pub fn with_read(mut self, dialect: Dialect) -> Self {
        self.read |= dialect.bit();
        self
    }

    /// Does not read this dialect. Its field is still removed from what leaves (R9).
    #[must_use]
    pub fn without_read(mut self, dialect: Dialect) -> Self {
        self.read &= !dialect.bit();
        self
    }

    /// Writes this dialect too; `grpc-timeout` and `Connect-Timeout-Ms` only on calls of their kind.
    #[must_use]
    pub fn with_write(mut self, dialect: Dialect) -> Self {
        self.write |= dialect.bit();
        self
    }

    /// Does not write this dialect.
    #[must_use]
    pub fn without_write(mut self, dialect: Dialect) -> Self {
        self.write &= !dialect.bit();
        self
    }

    /// The name of the field of [`Dialect::XRequestTimeout`], in place of `x-request-timeout`, which is then not
    /// read, but still removed from what leaves. A name that is another dialect's takes that one's place.
    #[must_use]
    pub fn timeout_name(mut self, name: HeaderName) -> Self {
        self.marks |= mark(name.as_str());
        self.timeout_name = name;
        self
    }

    /// What digits without a unit mean in `X-Request-Timeout`.
    #[must_use]
    pub fn bare_digits(mut self, meaning: BareDigits) -> Self {
        self.bare_digits = meaning;
        self
    }

    /// How far in the past an absolute deadline may lie and still be taken for an expired request; further
    /// back it tells of a wrong clock and is malformed. One minute by default.
    #[must_use]
    pub fn max_skew(mut self, skew: Duration) -> Self {
        self.max_skew = skew;
        self
    }

    /// Whether `X-Request-Start` is believed and its queue time subtracted (R8). Off by default: only a
    /// front that stamps every request itself can be trusted with it.
    #[must_use]
    pub fn trust_request_start(mut self, trust: bool) -> Self {
        self.request_start = trust;
        self
    }

    /// Whether reading or writing needs the wall clock; where not, any time will do.
    #[must_use]
    pub fn needs_wall_clock(&self) -> bool {
        self.request_start || (self.read | self.write) & Dialect::XRequestDeadline.bit() != 0
    }

    /// The timeout that one element asks for, as [`Dialect::decode`] but by this configuration.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the element does not follow the grammar.
    pub fn decode(&self, dialect: Dialect, element: &[u8], wall: SystemTime) -> Result<Option<Duration>, Malformed> {
        let decoded = match dialect {
            Dialect::XRequestTimeout => go_duration::decode(trim(element), self.bare_digits).map(Some),
            Dialect::GrpcTimeout => grpc::decode(element).map(Some),
            Dialect::EnvoyExpected | Dialect::EnvoyUpstream => envoy::decode(element),
            Dialect::ConnectTimeout => connect::decode(element).map(Some),
            Dialect::XRequestDeadline => absolute::decode(element, wall, self.max_skew).map(Some),
        };
        decoded.map_err(|Bad| Malformed::new(dialect, self.name_of(dialect).clone(), element))
    }

    pub(super) fn reads(&self, dialect: Dialect) -> bool {
        self.read & dialect.bit() != 0
    }

    /// The bits of the dialects that a call of this kind carries.
    pub(super) fn written_by(&self, call: Call) -> u8 {
        let mut written = self.write;
        for dialect in [Dialect::GrpcTimeout, Dialect::ConnectTimeout] {
            if !call.carries(dialect) {
                written &= !dialect.bit();
            }
        }
        written
    }

    pub(super) fn believes_request_start(&self) -> bool {
        self.request_start
    }

    pub(super) fn name_of(&self, dialect: Dialect) -> &HeaderName {
        match dialect {
            Dialect::XRequestTimeout => &self.timeout_name,
            other => other.name(),
        }
    }

    #[inline]
    pub(super) fn recognise(&self, name: &HeaderName) -> Option<Field> {
        let name = name.as_str();
        if self.marks & mark(name) == 0 { None } else { self.recognise_among(name) }
    }

    /// Not inlined: it would make the look at the mark no small one.
    #[inline(never)]
    fn recognise_among(&self, name: &str) -> Option<Field> {
        if name == self.timeout_name.as_str() {
            return Some(Field::Timeout(Dialect::XRequestTimeout));
        }
        // One match over constants: the length decides which of them a name is compared with.
        match name {
            X_REQUEST_TIMEOUT => Some(Field::Renamed),
            GRPC_TIMEOUT => Some(Field::Timeout(Dialect::GrpcTimeout)),
            ENVOY_EXPECTED => Some(Field::Timeout(Dialect::EnvoyExpected)),
            ENVOY_UPSTREAM => Some(Field::Timeout(Dialect::EnvoyUpstream)),
            CONNECT_TIMEOUT => Some(Field::Timeout(Dialect::ConnectTimeout)),
            X_REQUEST_DEADLINE => Some(Field::Timeout(Dialect::XRequestDeadline)),
            request_start::NAME => Some(Field::RequestStart),
            MEDIA => Some(Field::Kind(Kind::Media)),
            VERSION => Some(Field::Kind(Kind::ConnectVersion)),
            STATUS => Some(Field::Kind(Kind::GrpcStatus)),
            _ => None,
        }
    }
}

impl Default for Dialects {
    fn default() -> Self {
        let all = Dialect::ALL.into_iter().fold(0, |set, dialect| set | dialect.bit());
        let own = [Dialect::XRequestTimeout, Dialect::GrpcTimeout, Dialect::ConnectTimeout];
        Self {
            read: all & !Dialect::XRequestDeadline.bit(),
            write: own.into_iter().fold(0, |set, dialect| set | dialect.bit()),
            timeout_name: Dialect::XRequestTimeout.name().clone(),
            bare_digits: BareDigits::default(),
            max_skew: Duration::from_secs(60),
            request_start: false,
            marks: MARKS,
        }
    }
}

const X_REQUEST_TIMEOUT: &str = Dialect::XRequestTimeout.as_str();
const GRPC_TIMEOUT: &str = Dialect::GrpcTimeout.as_str();
const ENVOY_EXPECTED: &str = Dialect::EnvoyExpected.as_str();
const ENVOY_UPSTREAM: &str = Dialect::EnvoyUpstream.as_str();
const CONNECT_TIMEOUT: &str = Dialect::ConnectTimeout.as_str();
const X_REQUEST_DEADLINE: &str = Dialect::XRequestDeadline.as_str();

const MARKS: u64 = {
    let mut marks = mark(request_start::NAME) | Kind::MARKS;
    let mut rest: &[Dialect] = &Dialect::ALL;
    while let [dialect, after @ ..] = rest {
        marks |= mark(dialect.as_str());
        rest = after;
    }
    marks
};

/// A bit for a name, by its length and its last letter. By that factor, no name that is met every day has one of ours.
pub(super) const fn mark(name: &str) -> u64 {
    let name = name.as_bytes();
    let last = match name {
        [.., last] => *last as usize,
        [] => 0,
    };
    1 << ((9 * name.len() + last) % u64::BITS as usize)
}

fn trim(element: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = element.iter().take_while(|byte| blank(byte)).count();
    let end = element.iter().rev().take_while(|byte| blank(byte)).count();
    element.get(start..element.len().saturating_sub(end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_field_takes_the_place_of_the_old_one() {
        let dialects = Dialects::default().timeout_name(HeaderName::from_static("x-timeout"));
        let field = |name| dialects.recognise(&HeaderName::from_static(name));
        assert_eq!(field("x-timeout"), Some(Field::Timeout(Dialect::XRequestTimeout)));
        assert_eq!(field("x-request-timeout"), Some(Field::Renamed));
        assert_eq!(field("grpc-timeout"), Some(Field::Timeout(Dialect::GrpcTimeout)));
        assert_eq!(field("x-request-start"), Some(Field::RequestStart));
        assert_eq!(field("x-request-id"), None);
        for dialect in Dialect::ALL {
            let plain = Dialects::default().recognise(&HeaderName::from_static(dialect.as_str()));
            assert_eq!(plain, Some(Field::Timeout(dialect)));
        }
    }

    #[test]
    fn what_is_met_every_day_is_told_apart_by_its_mark() {
        let everyday = [
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "accept-language",
            "cookie",
            "content-length",
            "referer",
            "via",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-request-id",
            "traceparent",
            "tracestate",
            "authorization",
            "cache-control",
            "connection",
            "date",
            "server",
            "etag",
            "content-encoding",
            "last-modified",
            "vary",
            "set-cookie",
            "te",
            "location",
            "transfer-encoding",
        ];
        let alike: Vec<_> = everyday.into_iter().filter(|name| MARKS & mark(name) != 0).collect();
        assert!(alike.is_empty(), "{alike:?}");
    }

    #[test]
    fn trims_blanks_around_and_none_within() {
        assert_eq!(trim(b" \t5 s\t "), b"5 s");
        assert_eq!(trim(b" \t "), b"");
    }

    #[test]
    fn the_wall_clock_is_needed_only_where_something_absolute_is_used() {
        assert!(!Dialects::default().needs_wall_clock());
        assert!(Dialects::default().with_read(Dialect::XRequestDeadline).needs_wall_clock());
        assert!(Dialects::default().with_write(Dialect::XRequestDeadline).needs_wall_clock());
        assert!(Dialects::default().trust_request_start(true).needs_wall_clock());
    }
}
