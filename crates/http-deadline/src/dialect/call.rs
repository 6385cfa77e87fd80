//! What kind of call a message is, by its headers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

use super::Dialect;
use super::set::mark;

/// `grpc-status`: a decimal code, in trailers or in a head without a body.
pub static GRPC_STATUS: HeaderName = HeaderName::from_static(STATUS);

/// `grpc-message`: percent-encoded text beside [`GRPC_STATUS`].
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

static CONNECT_VERSION: HeaderName = HeaderName::from_static(VERSION);

pub(super) const MEDIA: &str = "content-type";
pub(super) const VERSION: &str = "connect-protocol-version";
pub(super) const STATUS: &str = "grpc-status";

/// As many names as are looked at one by one: of more, two look-ups cost less.
const FEW: usize = 12;

/// What kind of call a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// None of the following.
    Http,
    /// `application/grpc`, with a `+suffix` or without.
    Grpc,
    /// `application/grpc-web`: the status stands in the body, behind the messages.
    GrpcWeb(Codec),
    /// `application/grpc-web-text`: the same in base64.
    GrpcWebText(Codec),
    /// One message each way of the Connect protocol, told by its version field. A `GET` that has the version in its
    /// query alone is not told from any other.
    Connect,
    /// A stream of the Connect protocol, told by its content type.
    ConnectStream(Codec),
}

/// How the messages of a call are written, which an answer has to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// Not said.
    Unnamed,
    /// `+proto`
    Proto,
    /// `+json`
    Json,
    /// Any other word.
    Other,
}

impl Call {
    /// The kind of the request or response with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        if headers.keys_len() <= FEW {
            return Self::among(headers);
        }
        match Self::of_media(media_type(headers)) {
            Self::Http if headers.contains_key(&CONNECT_VERSION) => Self::Connect,
            call => call,
        }
    }

    /// By a pass over the names: none is hashed.
    fn among(headers: &HeaderMap) -> Self {
        let mut seen = Seen::default();
        for (at, name) in headers.keys().enumerate() {
            if let Some(kind) = Kind::of_name(name.as_str()) {
                each_line(headers, name, at, |line| seen.see(kind, line));
            }
        }
        seen.call()
    }

    fn of_media(media: &[u8]) -> Self {
        let Some(rest) = after(media, b"application/") else { return Self::Http };
        let named = |name: &[u8]| after(rest, name).and_then(Codec::of_suffix);
        if named(b"grpc").is_some() {
            Self::Grpc
        } else if let Some(codec) = named(b"grpc-web") {
            Self::GrpcWeb(codec)
        } else if let Some(codec) = named(b"grpc-web-text") {
            Self::GrpcWebText(codec)
        } else if let Some(codec) = named(b"connect") {
            Self::ConnectStream(codec)
        } else {
            Self::Http
        }
    }

    /// The content type of an answer to a request of this kind. `None` for the kinds that have no content type of their
    /// own, and for a stream of Connect whose codec has no name here: its content type has to repeat that name.
    #[must_use]
    pub fn media(self) -> Option<&'static str> {
        Some(match self {
            Self::Grpc => "application/grpc",
            Self::GrpcWeb(Codec::Proto) => "application/grpc-web+proto",
            Self::GrpcWeb(Codec::Json) => "application/grpc-web+json",
            Self::GrpcWeb(_) => "application/grpc-web",
            Self::GrpcWebText(Codec::Proto) => "application/grpc-web-text+proto",
            Self::GrpcWebText(Codec::Json) => "application/grpc-web-text+json",
            Self::GrpcWebText(_) => "application/grpc-web-text",
            Self::ConnectStream(Codec::Proto) => "application/connect+proto",
            Self::ConnectStream(Codec::Json) => "application/connect+json",
            _ => return None,
        })
    }

    /// Whether a response of this kind goes on for as long as it is read.
    pub(crate) fn is_long_lived(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb(_) | Self::GrpcWebText(_) | Self::ConnectStream(_))
    }

    /// Whether a request of this kind can carry this dialect.
    pub(super) fn carries(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::GrpcTimeout => matches!(self, Self::Grpc | Self::GrpcWeb(_) | Self::GrpcWebText(_)),
            Dialect::ConnectTimeout => matches!(self, Self::Connect | Self::ConnectStream(_)),
            _ => true,
        }
    }
}

impl Codec {
    /// By what follows the name of a protocol in a content type; `None` where that is another name.
    fn of_suffix(suffix: &[u8]) -> Option<Self> {
        let Some((plus, word)) = suffix.split_first() else { return Some(Self::Unnamed) };
        let codec = [(&b"proto"[..], Self::Proto), (b"json", Self::Json)];
        let codec = codec.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        (*plus == b'+').then(|| codec.map_or(Self::Other, |(_, codec)| codec))
    }
}

/// A field that tells the kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Media,
    ConnectVersion,
    /// What a call has come to, which tells no kind.
    GrpcStatus,
}

impl Kind {
    /// The marks of the names of all of them.
    pub(super) const MARKS: u64 = Self::TELLING | mark(STATUS);
    /// Of those that tell the kind of a call.
    const TELLING: u64 = mark(MEDIA) | mark(VERSION);

    #[inline]
    fn of_name(name: &str) -> Option<Self> {
        match name {
            _ if Self::TELLING & mark(name) == 0 => None,
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
    grpc_status: bool,
}

impl Seen {
    pub(super) fn see(&mut self, kind: Kind, value: &[u8]) {
        match kind {
            // Of several, the first, as in a look-up.
            Kind::Media => {
                self.media.get_or_insert_with(|| Call::of_media(without_parameters(value)));
            }
            Kind::ConnectVersion => self.connect_version = true,
            Kind::GrpcStatus => self.grpc_status = true,
        }
    }

    /// Whether there is a `grpc-status`.
    #[inline]
    pub(super) fn has_status(self) -> bool {
        self.grpc_status
    }

    #[inline]
    pub(super) fn call(self) -> Call {
        match self.media {
            None | Some(Call::Http) if self.connect_version => Call::Connect,
            media => media.unwrap_or(Call::Http),
        }
    }
}

/// Looks at each line of the field whose name is at this place among those of these headers. Where no name has two lines,
/// nothing is looked up.
#[inline]
pub(super) fn each_line(headers: &HeaderMap, name: &HeaderName, at: usize, mut look: impl FnMut(&[u8])) {
    if headers.len() == headers.keys_len() {
        headers.values().nth(at).into_iter().for_each(|value| look(value.as_bytes()));
    } else {
        headers.get_all(name).iter().for_each(|value| look(value.as_bytes()));
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
        assert_eq!(call("application/grpc-web+proto"), Call::GrpcWeb(Codec::Proto));
        assert_eq!(call("application/grpc-web-text"), Call::GrpcWebText(Codec::Unnamed));
        assert_eq!(call("Application/Connect+JSON; charset=utf-8"), Call::ConnectStream(Codec::Json));
        assert_eq!(call("application/grpc-web+thrift"), Call::GrpcWeb(Codec::Other));
        let others = ["application/grpcx", "application/grp", "text/plain", "", "application/grpc-other"];
        for other in others.into_iter().chain(["application/connectx", "application/grpc-web-textual"]) {
            assert_eq!(call(other), Call::Http, "{other}");
        }
    }

    #[test]
    fn the_content_type_of_an_answer_is_the_one_that_was_asked_for() {
        let codecs = ["", "+proto", "+json"];
        for protocol in ["application/grpc-web", "application/grpc-web-text", "application/connect"] {
            for media in codecs.map(|codec| format!("{protocol}{codec}")) {
                let told = Call::of_media(media.as_bytes()).media();
                let known = media != "application/connect";
                assert_eq!(told, Some(media.as_str()).filter(|_| known), "{media}");
            }
        }
        // Without its name, the codec is left open.
        assert_eq!(call("application/grpc+json").media(), Some("application/grpc"));
        assert_eq!(call("application/grpc-web+thrift").media(), Some("application/grpc-web"));
        for unknown in ["application/connect+thrift", "text/plain"] {
            assert_eq!(call(unknown).media(), None, "{unknown}");
        }
    }

    #[test]
    fn a_call_carries_the_dialect_of_its_protocol() {
        let carried = |call: Call| [Dialect::GrpcTimeout, Dialect::ConnectTimeout].map(|dialect| call.carries(dialect));
        for media in ["application/grpc", "application/grpc-web", "application/grpc-web-text+proto"] {
            assert_eq!(carried(call(media)), [true, false], "{media}");
        }
        for connect in [Call::Connect, call("application/connect+proto")] {
            assert_eq!(carried(connect), [false, true], "{connect:?}");
        }
        assert_eq!(carried(Call::Http), [false, false]);
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
