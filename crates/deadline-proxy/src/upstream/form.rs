//! The form of a request on a connection: what it needs, and how it is addressed.
//!
//! Covers the target, the `Host` and the version. Can be applied again, for another connection: nothing that the client
//! said is lost.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;
use tower_deadline::dialect::Call;

use super::Protocol;
use super::endpoint::Endpoint;

/// Which version of HTTP a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Http1,
    Http2,
    /// What TLS chooses; without it HTTP/1.1.
    Either,
}

impl Need {
    pub(super) fn of<B>(request: &Request<B>, protocol: Protocol) -> Self {
        match protocol {
            // R32: what is left of `Upgrade` here was allowed, and only HTTP/1.1 can carry it.
            _ if request.headers().contains_key(UPGRADE) => Self::Http1,
            Protocol::Http1 => Self::Http1,
            Protocol::Http2 => Self::Http2,
            Protocol::Auto if is_grpc(request.headers()) => Self::Http2,
            Protocol::Auto => Self::Either,
        }
    }

    /// What it comes to at this endpoint.
    pub(super) fn at(self, endpoint: &Endpoint) -> Self {
        match self {
            Self::Either if !endpoint.is_tls() => Self::Http1,
            need => need,
        }
    }
}

/// Origin form, and `Host`: the authority of an absolute target wins over the field (RFC 9112 §3.2.2), and who names
/// no host is given the endpoint's.
pub(super) fn http1<B>(request: &mut Request<B>, endpoint: &Endpoint) {
    *request.version_mut() = Version::HTTP_11;
    let uri = request.uri();
    let mut is_named = false;
    // A target without a path is empty, and would be written so.
    if uri.authority().is_some() || uri.scheme().is_some() || uri.path().is_empty() {
        let parts = std::mem::take(request.uri_mut()).into_parts();
        if let Some(host) = parts.authority.as_ref().and_then(|authority| HeaderValue::from_str(host(authority)).ok()) {
            request.headers_mut().insert(HOST, host);
            is_named = true;
        }
        let path = parts.path_and_query.filter(|path| path.path() != "/" || path.query().is_some());
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
    }
    // It mostly comes first, and is found sooner than it is looked up.
    if !is_named && !request.headers().keys().any(|name| *name == HOST) {
        request.headers_mut().insert(HOST, endpoint.origin.host.clone());
    }
}

/// Scheme and `:authority`, and neither `Host` nor what tells where an HTTP/1.1 body ends: the authority of the target wins, then the field, then the endpoint's.
pub(super) fn http2<B>(request: &mut Request<B>, endpoint: &Endpoint) {
    *request.version_mut() = Version::HTTP_2;
    let field = request.headers_mut().remove(HOST);
    request.headers_mut().remove(TRANSFER_ENCODING);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let said = parts.authority.take().and_then(|authority| match host(&authority) {
        whole if whole.len() == authority.as_str().len() => Some(authority),
        host => host.parse().ok(),
    });
    let field = || field.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.authority = Some(said.or_else(field).unwrap_or_else(|| endpoint.origin.authority.clone()));
    parts.scheme = Some(if endpoint.is_tls() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.path_and_query = Some(whole(parts.path_and_query));
    // All three are there, so there is no error to look at.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Says how long the body is, where that is known and nobody has. Methods that have none as a rule
/// say nothing of it.
pub(super) fn measure(head: &mut Parts, body: &impl Body) {
    let Some(length) = body.size_hint().exact() else { return };
    if length > 0 || !matches!(head.method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT) {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// RFC 9113 §8.3.1: h2 writes what is there, and `?a` alone is malformed.
fn whole(path: Option<PathAndQuery>) -> PathAndQuery {
    let rooted = |path: PathAndQuery| match path.as_str().starts_with('?') {
        // Written out, it has one.
        true => path.to_string().try_into().ok(),
        false => Some(path),
    };
    path.and_then(rooted).unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Whether a call of gRPC has these fields. Most requests have no content, and so no type of it, which is soon seen.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_TYPE) && Call::of(headers) == Call::Grpc
}

/// RFC 9110 §7.2: a `Host` has no user information.
fn host(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `http://shop.example?a` has no path, and `:path` begins with one.
    #[test]
    fn a_target_without_a_path_is_given_one() {
        for (target, path) in [("http://a?b=c", "/?b=c"), ("http://a", "/"), ("http://a/b?c", "/b?c"), ("/b", "/b")] {
            assert_eq!(whole(target.parse::<Uri>().unwrap().into_parts().path_and_query).as_str(), path);
        }
    }
}
