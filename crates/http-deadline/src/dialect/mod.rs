//! The dialects: every way to write a timeout in a header.
//!
//! Covers reading all fields of a request in one pass ([`Dialects::read`]), writing what is left to an
//! outgoing one ([`Dialects::write`]), and each dialect alone ([`Dialect::decode`], [`Dialect::encode`]).
//! Does not decide anything: that is [`Policy`](crate::Policy)'s part.
//!
//! | dialect | read | written | a zero means | grammar |
//! |---|---|---|---|---|
//! | `X-Request-Timeout` | by default | by default | expired | Go duration (`300ms`, `1.5s`, `1h30m`) or bare digits: ms |
//! | `grpc-timeout` | by default | when the call is gRPC | expired | 1–8 digits and one of `H M S m u n` |
//! | `x-envoy-expected-rq-timeout-ms` | by default | opt-in | no limit | digits, ms |
//! | `x-envoy-upstream-rq-timeout-ms` | by default | opt-in | no limit | digits, ms |
//! | `Connect-Timeout-Ms` | by default | when the call is Connect | expired | 1–10 digits, ms |
//! | `X-Request-Deadline` | opt-in | opt-in | — | RFC 3339, or Unix time in ms |
//!
//! `X-Request-Start` ([`request_start`]) is no timeout but a stamp: the time a trusted front saw the request.
//!
//! Decoding is total (R5): no panic, no sign, no blank inside, at most 32 bytes, digits are looked at before
//! they are parsed, and what is too large is cut to [`MAX_TIMEOUT`]. Encoding cuts off (R4): what is written
//! decodes to more than zero and never to more than was left.
//!
//! Sources: the [gRPC over HTTP/2 protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md),
//! Envoy's [router filter](https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter),
//! the [Connect protocol](https://connectrpc.com/docs/protocol/), Go's `time.ParseDuration`, RFC 3339.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderName;

mod absolute;
mod call;
mod connect;
mod digits;
mod encoded;
mod envoy;
mod go_duration;
mod grpc;
mod list;
mod malformed;
mod read;
pub mod request_start;
pub mod server_timing;
mod set;
pub mod trail;
mod write;

pub(crate) use self::call::is_event_stream;
pub use self::call::{Call, Codec, GRPC_MESSAGE, GRPC_STATUS};
pub use self::encoded::Encoded;
pub use self::malformed::Malformed;
pub use self::read::Asked;
pub use self::set::{BareDigits, Dialects};
pub use self::write::{Found, Inexpressible};

/// The longest timeout there is: the nanoseconds of an `i64`, 292 years.
pub const MAX_TIMEOUT: Duration = Duration::from_nanos(i64::MAX as u64);

/// The longest element that is looked at, in bytes (R5).
const MAX_BYTES: usize = 32;

/// One way to write a timeout in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `X-Request-Timeout`: a Go duration, or bare digits.
    XRequestTimeout,
    /// `grpc-timeout`.
    GrpcTimeout,
    /// `x-envoy-expected-rq-timeout-ms`.
    EnvoyExpected,
    /// `x-envoy-upstream-rq-timeout-ms`.
    EnvoyUpstream,
    /// `Connect-Timeout-Ms`.
    ConnectTimeout,
    /// `X-Request-Deadline`: an instant, guarded by a bound on the clocks' skew.
    XRequestDeadline,
}

/// A value that the grammar does not know. What and where is added by whoever knows the field.
#[derive(Debug, PartialEq, Eq)]
struct Bad;

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 6] = [
        Self::XRequestTimeout,
        Self::GrpcTimeout,
        Self::EnvoyExpected,
        Self::EnvoyUpstream,
        Self::ConnectTimeout,
        Self::XRequestDeadline,
    ];

    /// The name of its field, where it is not configured otherwise.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XRequestTimeout => "x-request-timeout",
            Self::GrpcTimeout => "grpc-timeout",
            Self::EnvoyExpected => "x-envoy-expected-rq-timeout-ms",
            Self::EnvoyUpstream => "x-envoy-upstream-rq-timeout-ms",
            Self::ConnectTimeout => "connect-timeout-ms",
            Self::XRequestDeadline => "x-request-deadline",
        }
    }

    /// What a value of it looks like, in words for people.
    #[must_use]
    pub const fn grammar(self) -> &'static str {
        match self {
            Self::XRequestTimeout => "a duration such as 300ms, 1.5s or 1h30m",
            Self::GrpcTimeout => "1 to 8 digits and one of H, M, S, m, u, n",
            Self::EnvoyExpected | Self::EnvoyUpstream => "milliseconds in digits",
            Self::ConnectTimeout => "milliseconds in 1 to 10 digits",
            Self::XRequestDeadline => {
                "an instant of RFC 3339 or Unix time in milliseconds, not further past than the skew bound"
            }
        }
    }

    /// The timeout that one element of this dialect asks for; `None` where it says "no limit".
    ///
    /// Uses the defaults of [`Dialects`]: bare digits are milliseconds, the skew bound is its default. `wall`
    /// is read by the absolute dialect alone.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the element does not follow the grammar.
    pub fn decode(self, element: &[u8], wall: SystemTime) -> Result<Option<Duration>, Malformed> {
        Dialects::default().decode(self, element, wall)
    }

    /// `left` in this dialect, cut off to its unit (R4), or `None` where nothing above zero can be written.
    ///
    /// `wall` is read by the absolute dialect alone.
    #[must_use]
    pub fn encode(self, left: Duration, wall: SystemTime) -> Option<Encoded> {
        match self {
            Self::XRequestTimeout => go_duration::encode(left),
            Self::GrpcTimeout => grpc::encode(left),
            Self::EnvoyExpected | Self::EnvoyUpstream => envoy::encode(left),
            Self::ConnectTimeout => connect::encode(left),
            Self::XRequestDeadline => absolute::encode(left, wall),
        }
    }

    /// The name of its field, checked once and for all.
    fn name(self) -> &'static HeaderName {
        static X_REQUEST_TIMEOUT: HeaderName = HeaderName::from_static(Dialect::XRequestTimeout.as_str());
        static GRPC_TIMEOUT: HeaderName = HeaderName::from_static(Dialect::GrpcTimeout.as_str());
        static ENVOY_EXPECTED: HeaderName = HeaderName::from_static(Dialect::EnvoyExpected.as_str());
        static ENVOY_UPSTREAM: HeaderName = HeaderName::from_static(Dialect::EnvoyUpstream.as_str());
        static CONNECT_TIMEOUT: HeaderName = HeaderName::from_static(Dialect::ConnectTimeout.as_str());
        static X_REQUEST_DEADLINE: HeaderName = HeaderName::from_static(Dialect::XRequestDeadline.as_str());
        match self {
            Self::XRequestTimeout => &X_REQUEST_TIMEOUT,
            Self::GrpcTimeout => &GRPC_TIMEOUT,
            Self::EnvoyExpected => &ENVOY_EXPECTED,
            Self::EnvoyUpstream => &ENVOY_UPSTREAM,
            Self::ConnectTimeout => &CONNECT_TIMEOUT,
            Self::XRequestDeadline => &X_REQUEST_DEADLINE,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
