//! The opening handshake of WebSocket (RFC 6455 §4).
//!
//! Covers what a request must say, and that the 101 is the answer to it and to no other. Extensions are between the two
//! ends.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 6455 §4.1 itself has a key whose last bits are not zero.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What a client offers, to hold the answer to.
#[derive(Debug)]
pub(super) struct Offer {
    /// What only somebody who has read the key can say.
    accept: String,
    /// The subprotocols, as they were listed.
    protocols: Vec<HeaderValue>,
}

impl Offer {
    /// Reads the request, or tells what is wrong with it.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, &'static str> {
        if *request.method() != Method::GET {
            return Err("method: GET is expected of a websocket handshake");
        }
        let headers = request.headers();
        if single(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err("sec-websocket-version: exactly one, 13, is expected");
        }
        let key = single(headers, &SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
        let key = key.ok_or("sec-websocket-key: exactly one, of 16 bytes in base64, is expected")?;
        let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
        Ok(Self { accept: accept(key), protocols })
    }

    /// Whether a 101 is the answer to this offer, or what is wrong with it.
    pub(super) fn check(&self, answer: &HeaderMap) -> Result<(), &'static str> {
        if single(answer, &SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != self.accept) {
            return Err("the upstream's sec-websocket-accept is not the answer to the key");
        }
        let mut chosen = answer.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let is_offered = chosen.next().is_none_or(|chosen| self.offers(chosen)) && chosen.next().is_none();
        is_offered.then_some(()).ok_or("the upstream's sec-websocket-protocol was not asked for")
    }

    fn offers(&self, chosen: &HeaderValue) -> bool {
        let mut offered = self.protocols.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        offered.any(|offered| !chosen.is_empty() && offered.trim_ascii() == chosen.as_bytes())
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &[u8]) -> bool {
    KEY.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields<'a> = &'a [(&'static str, &'static str)];

    /// The example of RFC 6455 §1.3.
    const VERSION_AND_KEY: [(&str, &str); 2] =
        [("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    const ACCEPT: (&str, &str) = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

    fn headers(fields: Fields<'_>) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    fn offer(method: Method, fields: Fields<'_>) -> Result<Offer, &'static str> {
        let mut request = Request::get("/chat").method(method).body(()).unwrap();
        *request.headers_mut() = headers(fields);
        Offer::of(&request)
    }

    fn offering(protocols: Fields<'_>) -> Offer {
        offer(Method::GET, &[&VERSION_AND_KEY, protocols].concat()).unwrap()
    }

    // R32
    #[test]
    fn only_who_has_read_the_key_can_agree() {
        let offer = offering(&[]);
        assert_eq!(offer.check(&headers(&[ACCEPT])), Ok(()));
        let other = ("sec-websocket-accept", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
        for wrong in [&[][..], &[other], &[ACCEPT, ACCEPT], &[ACCEPT, other], &[("sec-websocket-accept", "")]] {
            let refused = offer.check(&headers(wrong));
            assert!(refused.is_err_and(|detail| detail.contains("sec-websocket-accept")), "{wrong:?}");
        }
    }

    // R32
    #[test]
    fn one_subprotocol_that_was_asked_for_may_be_chosen() {
        let offer = offering(&[("sec-websocket-protocol", "chat, v2.chat"), ("sec-websocket-protocol", "mqtt")]);
        let choose = |chosen: Fields<'_>| offer.check(&headers(&[&[ACCEPT], chosen].concat()));
        for chosen in ["chat", "v2.chat", "mqtt"] {
            assert_eq!(choose(&[("sec-websocket-protocol", chosen)]), Ok(()), "{chosen}");
        }
        assert_eq!(choose(&[]), Ok(()));
        for wrong in ["soap", "Chat", "chat, mqtt", "chat, v2.chat", ""] {
            let refused = choose(&[("sec-websocket-protocol", wrong)]);
            assert!(refused.is_err_and(|detail| detail.contains("sec-websocket-protocol")), "{wrong}");
        }
        assert!(choose(&[("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "mqtt")]).is_err());
        let uninvited = headers(&[ACCEPT, ("sec-websocket-protocol", "chat")]);
        assert!(offering(&[]).check(&uninvited).is_err());
    }

    #[test]
    fn a_handshake_that_is_none_is_told_what_is_expected() {
        let [version, key] = VERSION_AND_KEY;
        for (method, fields, named) in [
            (Method::POST, &[version, key][..], "method: GET"),
            (Method::GET, &[key], "sec-websocket-version: exactly one"),
            (Method::GET, &[("sec-websocket-version", "8"), key], "sec-websocket-version: exactly one"),
            (Method::GET, &[version, version, key], "sec-websocket-version: exactly one"),
            (Method::GET, &[version], "sec-websocket-key: exactly one"),
            (Method::GET, &[version, key, key], "sec-websocket-key: exactly one"),
            (Method::GET, &[version, ("sec-websocket-key", "c2hvcnQ=")], "sec-websocket-key: exactly one"),
            (Method::GET, &[version, ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")], "sec-websocket-key"),
        ] {
            let refused = offer(method, fields);
            assert!(refused.is_err_and(|detail| detail.contains(named)), "{fields:?}");
        }
        // RFC 6455 §4.1, in its own example.
        assert!(offer(Method::GET, &[version, ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEC==")]).is_ok());
    }
}
