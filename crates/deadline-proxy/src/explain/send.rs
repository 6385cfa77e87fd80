//! What goes to an upstream, and what does not.

use std::error::Error;

use http::Request;

use super::came::Came;
use super::{is_heard, tell};
use crate::secret::{shown, without_query};

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
    tell!("send: {} {}", request.method(), without_query(path));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::lines::listen;
    use http::HeaderValue;

    #[test]
    fn a_request_is_told_as_it_is_written() {
        let mut key = HeaderValue::from_static("k");
        key.set_sensitive(true);
        let request = Request::get("http://shop.example/orders/7?token=secret")
            .header("accept", "a")
            .header("accept", "b")
            .header("authorization", "Bearer secret")
            .header("cookie", "secret")
            .header("x-key", key)
            .header("x-api-key", "secret")
            .header("x_auth_token", "secret")
            .header("x-amz-security-token", "secret")
            .header("x-original-path", "/orders/7?token=secret")
            .header("referer", "http://shop.example/?token=secret")
            .header("forwarded", r#"for="192.0.2.1:9""#)
            .header("x-odd", HeaderValue::from_bytes(b"\xff").unwrap());
        let request = request.body(()).unwrap();
        let told = listen(|| sent(&request));
        let expected = [
            "send: GET /orders/7?***",
            "send: host: shop.example",
            "send: accept: a",
            "send: accept: b",
            "send: authorization: ***",
            "send: cookie: ***",
            "send: x-key: ***",
            "send: x-api-key: ***",
            "send: x_auth_token: ***",
            "send: x-amz-security-token: ***",
            "send: x-original-path: /orders/7?***",
            "send: referer: http://shop.example/?***",
            r#"send: forwarded: for="192.0.2.1:9""#,
            r"send: x-odd: \xff",
        ];
        assert_eq!(told, expected);
    }
}
