//! What goes to an upstream, and what does not.

use std::borrow::Cow;
use std::error::Error;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, HeaderValue, Request};

use super::came::Came;
use super::{is_heard, tell};

/// Fields that are secrets, whoever says them.
static SECRET: [&HeaderName; 3] = [&AUTHORIZATION, &COOKIE, &PROXY_AUTHORIZATION];

/// Tells of a request in the very form in which it is written now.
pub(crate) fn sent<B>(request: &Request<B>) {
    if !is_heard() {
        return;
    }
    if let Some(came) = request.extensions().get::<Came>() {
        for (name, why) in came.stripped(request.headers()) {
            tell!("strip: {name}: {why}");
        }
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    tell!("send: {} {path}", request.method());
    // Over HTTP/2 it is a part of the target.
    if let Some(host) = request.uri().authority() {
        tell!("send: host: {host}");
    }
    for (name, value) in request.headers() {
        tell!("send: {name}: {}", shown(name, value));
    }
}

/// Tells of a request that is not written, because nothing is left to wait for its answer (R16).
pub(crate) fn unsent(error: &dyn Error) {
    tell!("send: nothing: {error}");
}

fn shown<'a>(name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, str> {
    if value.is_sensitive() || SECRET.contains(&name) {
        return "***".into();
    }
    value.to_str().map_or_else(|_| value.as_bytes().escape_ascii().to_string().into(), Cow::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::lines::listen;

    #[test]
    fn a_request_is_told_as_it_is_written() {
        let mut key = HeaderValue::from_static("k");
        key.set_sensitive(true);
        let request = Request::get("http://shop.example/orders/7?x=1")
            .header("accept", "a")
            .header("accept", "b")
            .header("authorization", "Bearer secret")
            .header("cookie", "secret")
            .header("x-key", key)
            .header("forwarded", r#"for="192.0.2.1:9""#)
            .header("x-odd", HeaderValue::from_bytes(b"\xff").unwrap());
        let request = request.body(()).unwrap();
        let told = listen(|| sent(&request));
        let expected = [
            "send: GET /orders/7?x=1",
            "send: host: shop.example",
            "send: accept: a",
            "send: accept: b",
            "send: authorization: ***",
            "send: cookie: ***",
            "send: x-key: ***",
            r#"send: forwarded: for="192.0.2.1:9""#,
            r"send: x-odd: \xff",
        ];
        assert_eq!(told, expected);
    }
}
