//! What kind of call a message is, by its headers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

use super::Dialect;

/// `grpc-status`: a decimal code, in trailers or in a head without a body.
pub static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// `grpc-message`: percent-encoded text beside [`GRPC_STATUS`].
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

static CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

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
        let is = |name: &[u8]| {
            let (start, rest) = media.split_at_checked(name.len()).unwrap_or((media, b"-"));
            start.eq_ignore_ascii_case(name) && matches!(rest.first(), None | Some(b'+'))
        };
        if is(b"application/grpc") {
            Self::Grpc
        } else if is(b"application/grpc-web") || is(b"application/grpc-web-text") {
            Self::GrpcWeb
        } else if is(b"application/connect") || headers.contains_key(&CONNECT_VERSION) {
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

/// Whether a response with these headers is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(b"text/event-stream")
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
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
    fn an_event_stream_is_told_whatever_its_parameters() {
        let mut headers = HeaderMap::new();
        assert!(!is_event_stream(&headers));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        assert!(is_event_stream(&headers));
    }
}
