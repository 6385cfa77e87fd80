//! Requests, and the fields in them.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use http_deadline::{Deadline, Dialect};
use tower_deadline::now;

/// The body of every request and response.
pub(crate) type Body = Full<Bytes>;

/// Long enough never to pass while it is measured.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What a browser sends through a proxy, twelve fields that have nothing to do with deadlines.
const ORDINARY: [(&str, &str); 12] = [
    ("host", "shop.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://shop.example/basket"),
    ("cookie", "session=5f2b7c1d9e; theme=dark"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "192.0.2.7"),
    ("x-request-id", "0197a1c2-6f3e-7b44-9d11-2a8f6c0b5e90"),
];

/// What concerns one connection, and what a browser's `Connection` names.
const TYPICAL: [(&str, &str); 3] = [("connection", "keep-alive"), ("keep-alive", "timeout=5"), ("te", "trailers")];

/// A `Connection` of many names, with all of them there, and every other field of one connection.
const MANY: [(&str, &str); 17] = [
    ("connection", "keep-alive, x-a, x-b, x-c, x-d"),
    ("connection", "x-e, x-f, x-g, x-h"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("proxy-authorization", "Basic eA=="),
    ("te", "trailers, gzip"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABk"),
    ("x-a", "1"),
    ("x-b", "1"),
    ("x-c", "1"),
    ("x-d", "1"),
    ("x-e", "1"),
    ("x-f", "1"),
    ("x-g", "1"),
    ("x-h", "1"),
];

/// A request without any field.
pub(crate) fn plain() -> Request<Body> {
    Request::new(Body::default())
}

/// A request with twelve fields that have nothing to do with deadlines.
pub(crate) fn ordinary() -> Request<Body> {
    with(plain(), &ORDINARY)
}

/// The same, with what a browser says of its connection.
pub(crate) fn typical() -> Request<Body> {
    with(ordinary(), &TYPICAL)
}

/// The same, with everything that can be said of a connection.
pub(crate) fn many() -> Request<Body> {
    with(ordinary(), &MANY)
}

/// A request that asks for this in this dialect.
pub(crate) fn asking(dialect: Dialect, value: &'static str, request: Request<Body>) -> Request<Body> {
    with(request, &[(dialect.as_str(), value)])
}

/// A request that asks for half a minute, more than it needs.
pub(crate) fn asked() -> Request<Body> {
    asking(Dialect::XRequestTimeout, "30s", plain())
}

/// A request that carries a deadline in its extensions.
pub(crate) fn carrying(mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(Deadline::after(now(), LONG));
    request
}

/// A request of this content type.
pub(crate) fn of_type(media: &'static str) -> Request<Body> {
    with(plain(), &[(CONTENT_TYPE.as_str(), media)])
}

/// The headers of a request.
pub(crate) fn headers(request: Request<Body>) -> HeaderMap {
    request.into_parts().0.headers
}

fn with(mut request: Request<Body>, fields: &[(&'static str, &'static str)]) -> Request<Body> {
    for (name, value) in fields {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_fields_that_their_names_promise() {
        assert_eq!(ordinary().headers().len(), 12);
        assert_eq!(typical().headers().len(), 15);
        assert_eq!(many().headers().get_all("connection").iter().count(), 2);
        assert!(asked().headers().contains_key(Dialect::XRequestTimeout.as_str()));
    }
}
