//! Messages that two parties could read differently (R35).
//!
//! Covers what hyper lets through to a service and this proxy does not pass on: a transfer coding other than exactly
//! `chunked`, lengths and hosts that are several, hosts and targets that are none, and fields that an upstream of the
//! CGI kind takes for a length. Does not repeat what hyper refuses itself with a bare 400, and tells of nothing that
//! hyper hides: a `Content-Length` beside chunks is gone before a request is seen (hyper closes after its answer),
//! equal `Content-Length`s in HTTP/1.1 are one, a line that ends with LF alone is a line, chunk extensions and a
//! fragment are dropped. Each of these leaves in one reading only, because every head and every chunk is written
//! anew. What becomes of each shape on the wire is listed in `tests/proxy/smuggling.rs`.
//!
//! # Where it stands
//!
//! Outside of whatever decides by a host or a path, and answers without closing the connection; so also outside of
//! [`HopByHopLayer`](tower_deadline::HopByHopLayer), which removes `Transfer-Encoding`.
//!
//! # Example
//!
//! ```
//! use deadline_proxy::proxy::framing::{Shape, framing};
//! use http::Request;
//!
//! let request = Request::post("/").header("host", "a").header("transfer-encoding", "gzip, chunked").body(())?;
//! assert_eq!(framing(&request), Err(Shape::Coding));
//! # Ok::<_, http::Error>(())
//! ```

mod layer;

use std::fmt;
use std::mem::replace;
use std::net::Ipv6Addr;
use std::str;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};

pub use self::layer::FramingLayer;

/// What the names of framing fields become for an upstream that knows no `-`, and `-` and `_` as one.
const LOOK_ALIKE: [&str; 2] = ["content_length", "transfer_encoding"];

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// `Transfer-Encoding` is not exactly `chunked`.
    Coding,
    /// More than one `Content-Length`.
    Lengths,
    /// A field that some upstreams take for `Content-Length` or `Transfer-Encoding`.
    LookAlike,
    /// No `Host` where there has to be one, or more than one.
    Hosts,
    /// A host that is none, or has user information or a comma in it.
    Host,
    /// Over HTTP/2, a `Host` that is not the authority.
    TwoHosts,
    /// Neither a path nor, with `OPTIONS`, `*`.
    Target,
    /// Neither `http` nor `https`.
    Scheme,
}

impl Shape {
    /// 501 for a coding that this proxy does not know, else 400.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What was found, and what is expected.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Coding => "transfer-encoding: exactly `chunked` is expected",
            Self::Lengths => "content-length: exactly one is expected",
            Self::LookAlike => "a field looks like content-length or transfer-encoding: `-` is expected, not `_`",
            Self::Hosts => "host: exactly one is expected",
            Self::Host => "host: HOST or HOST:PORT is expected, such as shop.example:8080",
            Self::TwoHosts => "host: the same as :authority is expected, or none",
            Self::Target => "target: a path is expected, or `*` with OPTIONS",
            Self::Scheme => "target: http or https is expected",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for Shape {}

/// Whether a request, as hyper has read it, has one reading only.
///
/// # Errors
///
/// The first [`Shape`] that is not passed on.
pub fn framing<B>(request: &Request<B>) -> Result<(), Shape> {
    let host = fields(request.headers())?;
    target(request.method(), request.uri())?;
    hosts(request.version(), request.uri(), host)
}

/// Looks at every field, and finds the one `Host`.
fn fields(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Shape> {
    let (mut host, mut measured, mut coded) = (None, false, false);
    for (name, value) in headers {
        let shape = match *name {
            HOST => host.replace(value).map(|_| Shape::Hosts),
            // HTTP/1.1 has none left here, and HTTP/2 equal ones; HTTP/1.1 is what they would leave by.
            CONTENT_LENGTH => replace(&mut measured, true).then_some(Shape::Lengths),
            TRANSFER_ENCODING => {
                let is_chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
                (replace(&mut coded, true) || !is_chunked).then_some(Shape::Coding)
            }
            _ => LOOK_ALIKE.contains(&name.as_str()).then_some(Shape::LookAlike),
        };
        shape.map_or(Ok(()), Err)?;
    }
    Ok(host)
}

fn target(method: &Method, uri: &Uri) -> Result<(), Shape> {
    // An extended CONNECT (RFC 8441) has a path and goes on as a GET of it; the target of any other is an authority.
    if *method == Method::CONNECT && (uri.authority().is_none() || uri.path_and_query().is_none()) {
        return uri.authority().map(drop).ok_or(Shape::Target);
    }
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err(Shape::Scheme);
    }
    let is_path = match uri.path_and_query().map(PathAndQuery::as_str) {
        Some("*") => *method == Method::OPTIONS,
        // `http://shop.example?a` has an empty path, which leaves as `/`.
        Some(path) => path.starts_with(['/', '?']),
        // The target of a tunnel, `shop.example:443`, or none at all.
        None => false,
    };
    if is_path { Ok(()) } else { Err(Shape::Target) }
}

fn hosts(version: Version, uri: &Uri, host: Option<&HeaderValue>) -> Result<(), Shape> {
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = host.map(HeaderValue::as_bytes);
    let is_missing = match version {
        // RFC 9112 §3.2: also beside a target with an authority.
        Version::HTTP_11 => host.is_none(),
        Version::HTTP_2 => host.is_none() && authority.is_none(),
        _ => false,
    };
    if is_missing {
        return Err(Shape::Hosts);
    }
    if ![authority, host].into_iter().flatten().all(is_host) {
        return Err(Shape::Host);
    }
    match (authority, host) {
        // RFC 9113 §8.3.1. In HTTP/1.1 the target wins over `Host`, after RFC 9112 §3.2.2.
        (Some(authority), Some(host)) if version == Version::HTTP_2 && !authority.eq_ignore_ascii_case(host) => {
            Err(Shape::TwoHosts)
        }
        _ => Ok(()),
    }
}

/// RFC 9110 §7.2: `uri-host [ ":" port ]`. Stricter than that: not empty, and no comma, by which a lenient hop has
/// made one of two.
fn is_host(text: &[u8]) -> bool {
    let end = match text.first() {
        Some(b'[') => text.iter().position(|byte| *byte == b']').map_or(0, |at| at + 1),
        _ => text.iter().position(|byte| *byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let literal = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    let is_named = match literal {
        Some(literal) => str::from_utf8(literal).is_ok_and(|literal| literal.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.iter().all(|byte| is_of_name(*byte)),
    };
    is_named && is_port(port)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte)
}

/// Nothing, or a colon and the digits of a port, which RFC 3986 lets be none.
fn is_port(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b":") else {
        return text.is_empty();
    };
    let value = digits.iter().try_fold(0_u32, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        Some(value * 10 + digit).filter(|value| *value <= u32::from(u16::MAX))
    });
    value.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = [(&'static str, &'static str)];

    fn read(method: &str, target: &str, version: Version, fields: &Fields) -> Result<(), Shape> {
        let mut request = Request::builder().method(method).uri(target).version(version);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        framing(&request.body(()).unwrap())
    }

    fn http1(fields: &Fields) -> Result<(), Shape> {
        read("POST", "/", Version::HTTP_11, &[&[("host", "a")], fields].concat())
    }

    // R35
    #[test]
    fn a_coding_is_exactly_chunked() {
        for whole in ["chunked", "Chunked"] {
            assert_eq!(http1(&[("transfer-encoding", whole)]), Ok(()));
        }
        for other in ["gzip, chunked", "chunked, chunked", "identity, chunked", ",chunked", "chunked,", "gzip", ""] {
            assert_eq!(http1(&[("transfer-encoding", other)]), Err(Shape::Coding), "{other}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(http1(&twice), Err(Shape::Coding));
        assert_eq!(Shape::Coding.status(), StatusCode::NOT_IMPLEMENTED);
    }

    #[test]
    fn a_length_is_one_and_looks_like_no_other_field() {
        assert_eq!(http1(&[("content-length", "5")]), Ok(()));
        assert_eq!(http1(&[("content-length", "5"), ("content-length", "5")]), Err(Shape::Lengths));
        for name in LOOK_ALIKE {
            assert_eq!(http1(&[(name, "5")]), Err(Shape::LookAlike), "{name}");
        }
        assert_eq!(http1(&[("x_content_length", "5")]), Ok(()));
    }

    #[test]
    fn a_host_is_one_and_is_a_host() {
        let host = |host| read("GET", "/", Version::HTTP_11, &[("host", host)]);
        let good = ["a", "shop.example:8080", "a:", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "%41", "a:65535", "a:080"];
        for good in good {
            assert_eq!(host(good), Ok(()), "{good}");
        }
        let bad = ["", ":80", "a,b", "u@a", "a b", "a/b", "a:65536", "a:8x", "a:+8", "a:b:c", "[::1", "[a]", "[::1]8"];
        for bad in bad.into_iter().chain(["é", "a:99999999999999999999", "[", "[]", "[fe80::1%25eth0]"]) {
            assert_eq!(host(bad), Err(Shape::Host), "{bad}");
        }
        assert_eq!(http1(&[("host", "a")]), Err(Shape::Hosts));
    }

    #[test]
    fn only_http_1_0_may_name_no_host() {
        let nameless = |target, version| read("GET", target, version, &[]);
        assert_eq!(nameless("/", Version::HTTP_10), Ok(()));
        assert_eq!(nameless("/", Version::HTTP_11), Err(Shape::Hosts));
        assert_eq!(nameless("http://a/", Version::HTTP_11), Err(Shape::Hosts));
        assert_eq!(nameless("/", Version::HTTP_2), Err(Shape::Hosts));
        assert_eq!(nameless("http://a/", Version::HTTP_2), Ok(()));
    }

    #[test]
    fn over_http2_there_are_no_two_hosts() {
        let two = |version, authority, host| read("GET", authority, version, &[("host", host)]);
        assert_eq!(two(Version::HTTP_2, "http://a/", "A"), Ok(()));
        assert_eq!(two(Version::HTTP_2, "http://a/", "b"), Err(Shape::TwoHosts));
        assert_eq!(two(Version::HTTP_11, "http://a/", "b"), Ok(()));
        assert_eq!(two(Version::HTTP_11, "http://u@a/", "a"), Err(Shape::Host));
        assert_eq!(two(Version::HTTP_2, "http://u@a/", "a"), Err(Shape::Host));
    }

    #[test]
    fn a_target_is_a_path() {
        let target = |method, target| read(method, target, Version::HTTP_11, &[("host", "a")]);
        for good in ["/", "//b/c", "/a/../b", "/%00", "/é", "http://a", "https://a/b", "http://a?b"] {
            assert_eq!(target("GET", good), Ok(()), "{good}");
        }
        for bad in ["*", "a", "a:80", ""] {
            let uri: Result<Uri, _> = bad.parse();
            assert!(uri.is_err() || target("GET", bad) == Err(Shape::Target), "{bad}");
        }
        assert_eq!(target("OPTIONS", "*"), Ok(()));
        assert_eq!(target("CONNECT", "a:443"), Ok(()));
        assert_eq!(target("CONNECT", "/"), Err(Shape::Target));
        assert_eq!(target("GET", "ftp://a/"), Err(Shape::Scheme));
    }

    /// It is a GET to the upstream.
    #[test]
    fn the_target_of_an_extended_connect_is_a_path_too() {
        let target = |scheme: &'static str, path: &'static str| {
            let uri = Uri::builder().scheme(scheme).authority("a").path_and_query(path).build().unwrap();
            framing(&Request::connect(uri).version(Version::HTTP_2).body(()).unwrap())
        };
        assert_eq!((target("https", "/chat?a"), target("https", "?a")), (Ok(()), Ok(())));
        assert_eq!((target("https", "*"), target("ftp", "/")), (Err(Shape::Target), Err(Shape::Scheme)));
    }

    #[test]
    fn each_shape_says_what_is_expected() {
        for (shape, detail) in [
            (Shape::Coding, "transfer-encoding: exactly `chunked` is expected"),
            (Shape::Lengths, "content-length: exactly one is expected"),
            (Shape::LookAlike, "a field looks like content-length or transfer-encoding: `-` is expected, not `_`"),
            (Shape::Hosts, "host: exactly one is expected"),
            (Shape::Host, "host: HOST or HOST:PORT is expected, such as shop.example:8080"),
            (Shape::TwoHosts, "host: the same as :authority is expected, or none"),
            (Shape::Target, "target: a path is expected, or `*` with OPTIONS"),
            (Shape::Scheme, "target: http or https is expected"),
        ] {
            assert_eq!(shape.to_string(), detail);
            assert_eq!(shape.status().as_u16(), if shape == Shape::Coding { 501 } else { 400 });
        }
    }
}
