//! Extended CONNECT (RFC 8441), in words of HTTP/1.1 and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use tower_deadline::hop_by_hop::Protocol;

/// The protocol that an extended CONNECT is for.
pub(super) fn protocol<B>(request: &Request<B>) -> Option<&str> {
    if *request.method() != Method::CONNECT {
        return None;
    }
    request.extensions().get().map(hyper::ext::Protocol::as_str)
}

/// Makes it the upgrade that says the same. The key is a nonce that the client of HTTP/2 does not send.
pub(super) fn ask<B>(request: &mut Request<B>, protocol: &Protocol) {
    request.extensions_mut().remove::<hyper::ext::Protocol>();
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    // Base64, and a name made of tokens, are always values.
    if let (Ok(key), Ok(protocol)) = (HeaderValue::try_from(key()), HeaderValue::from_str(protocol.as_str())) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    }
}

/// Makes a 101 the answer that says the same.
pub(super) fn agree<B>(response: &mut Response<B>) {
    *response.status_mut() = StatusCode::OK;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        response.headers_mut().remove(name);
    }
}

fn key() -> String {
    let mut nonce = [0; 16];
    fastrand::fill(&mut nonce);
    STANDARD.encode(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended() -> Request<()> {
        let mut request = Request::connect("https://shop.example/chat?a=b").version(Version::HTTP_2).body(()).unwrap();
        request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
        request
    }

    #[test]
    fn a_connect_is_extended_by_a_protocol() {
        assert_eq!(protocol(&extended()), Some("websocket"));
        assert_eq!(protocol(&Request::connect("shop.example:443").body(()).unwrap()), None);
        let mut get = extended();
        *get.method_mut() = Method::GET;
        assert_eq!(protocol(&get), None);
    }

    #[test]
    fn it_becomes_an_upgrade_of_the_same_resource_with_a_key_of_its_own() {
        let (mut one, mut other) = (extended(), extended());
        ask(&mut one, &"websocket".parse().unwrap());
        ask(&mut other, &"websocket".parse().unwrap());
        assert_eq!((one.method(), one.version()), (&Method::GET, Version::HTTP_11));
        assert_eq!(one.uri(), "https://shop.example/chat?a=b");
        let field = |name| one.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((field(CONNECTION), field(UPGRADE)), ("Upgrade".to_owned(), "websocket".to_owned()));
        assert_eq!(STANDARD.decode(field(SEC_WEBSOCKET_KEY)).unwrap().len(), 16);
        assert_ne!(one.headers()[SEC_WEBSOCKET_KEY], other.headers()[SEC_WEBSOCKET_KEY]);
        assert!(one.extensions().is_empty());
    }
}
