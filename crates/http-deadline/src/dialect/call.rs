//! What kind of call a message is, by its headers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

use super::Dialect;
use super::set::length;

/// `grpc-status`: a decimal code, in trailers or in a head without a body.
pub static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// `grpc-message`: percent-encoded text beside [`GRPC_STATUS`].
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

static CONNECT_VERSION: HeaderName = HeaderName::from_static(VERSION);

const MEDIA: &str = "content-type";
const VERSION: &str = "connect-protocol-version";

/// What kind of call a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// None of the following.
    Http,
    /// `application/grpc`, with a `+suffix` or without.
    Grpc,
    /// `application/grpc-web` and `application/grpc-web-text`.
    GrpcWeb,
    /// The Connect protocol: its streaming content type, or its version field.
    Connect,
}

impl Call {
    /// The kind of the request or response with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let media = media_type(headers);
        match Self::of_media(media) {
            Self::Http if headers.contains_key(&CONNECT_VERSION) => Self::Connect,
            call => call,
        }
    }

    fn of_media(media: &[u8]) -> Self {
        let Some(rest) = after(media, b"application/") else { return Self::Http };
        let is = |name: &[u8]| after(rest, name).is_some_and(|rest| matches!(rest.first(), None | Some(b'+')));
        if is(b"grpc") {
            Self::Grpc
        } else if is(b"grpc-web") || is(b"grpc-web-text") {
            Self::GrpcWeb
        } else if is(b"connect") {
            Self::Connect
        } else {
            Self::Http
        }
    }

    /// Whether a request of this kind can carry this dialect.
    pub(super) fn carries(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::GrpcTimeout => matches!(self, Self::Grpc | Self::GrpcWeb),
            Dialect::ConnectTimeout => self == Self::Connect,
            _ => true,
        }
    }
}

/// A field that tells the kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Media,
    ConnectVersion,
}

impl Kind {
    pub(super) const fn lengths() -> u64 {
        length(MEDIA) | length(VERSION)
    }

    #[inline]
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name {
            MEDIA => Some(Self::Media),
            VERSION => Some(Self::ConnectVersion),
            _ => None,
        }
    }
}

/// What the fields tell that were seen so far, one by one; in the end the same as [`Call::of`] all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    media: Option<Call>,
    connect_version: bool,
}

impl Seen {
    pub(super) fn see(&mut self, kind: Kind, value: &[u8]) {
        match kind {
            // Of several, the first, as in a look-up.
            Kind::Media => {
                self.media.get_or_insert_with(|| Call::of_media(without_parameters(value)));
            }
            Kind::ConnectVersion => self.connect_version = true,
        }
    }

    #[inline]
    pub(super) fn call(self) -> Call {
        match self.media {
            Some(call @ (Call::Grpc | Call::GrpcWeb | Call::Connect)) => call,
            _ if self.connect_version => Call::Connect,
            _ => Call::Http,
        }
    }
}

/// What follows this start, whatever its case.
fn after<'a>(bytes: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = bytes.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

/// Whether a response with these headers is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(b"text/event-stream")
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> &[u8] {
    headers.get(CONTENT_TYPE).map_or(&b""[..], |value| without_parameters(value.as_bytes()))
}

fn without_parameters(value: &[u8]) -> &[u8] {
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn call(content_type: &'static str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Call::of(&headers)
    }

    #[test]
    fn is_told_by_the_content_type() {
        assert_eq!(call("application/grpc"), Call::Grpc);
        assert_eq!(call("Application/gRPC+proto; x=y"), Call::Grpc);
        assert_eq!(call("application/grpc-web+proto"), Call::GrpcWeb);
        assert_eq!(call("application/grpc-web-text"), Call::GrpcWeb);
        assert_eq!(call("application/connect+json"), Call::Connect);
        for other in ["application/grpcx", "application/grp", "text/plain", "", "application/grpc-other"] {
            assert_eq!(call(other), Call::Http, "{other}");
        }
    }

    #[test]
    fn a_unary_connect_call_is_told_by_its_version() {
        let mut headers = HeaderMap::new();
        assert_eq!(Call::of(&headers), Call::Http);
        headers.insert(&CONNECT_VERSION, HeaderValue::from_static("1"));
        assert_eq!(Call::of(&headers), Call::Connect);
    }

    #[test]
    fn is_told_the_same_by_one_field_after_the_other() {
        let types = ["application/grpc", "text/plain", "application/connect+json", "application/grpc-web; x=y"];
        for media in types.into_iter().map(Some).chain([None]) {
            for version in [false, true] {
                let (mut headers, mut seen) = (HeaderMap::new(), Seen::default());
                for media in media.into_iter().chain(["application/grpc"]) {
                    headers.append(CONTENT_TYPE, HeaderValue::from_static(media));
                    seen.see(Kind::Media, media.as_bytes());
                }
                if version {
                    headers.insert(&CONNECT_VERSION, HeaderValue::from_static("1"));
                    seen.see(Kind::ConnectVersion, b"1");
                }
                assert_eq!(seen.call(), Call::of(&headers), "{media:?} {version}");
            }
        }
    }

    #[test]
    fn an_event_stream_is_told_whatever_its_parameters() {
        let mut headers = HeaderMap::new();
        assert!(!is_event_stream(&headers));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        assert!(is_event_stream(&headers));
    }
}
