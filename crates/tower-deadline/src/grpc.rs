//! gRPC's own words for a deadline that passed.
//!
//! Covers what a call of gRPC is told, in a head without a body or in trailers, what one of gRPC-Web is told behind its
//! messages, and what it means when the hop that was called says so. Does not know timers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_deadline::dialect::{Call, GRPC_MESSAGE, GRPC_STATUS};
use http_deadline::{Deadline, Exceeded};

use crate::code::Code;
use crate::{Answers, envelope, now};

/// The flag of the frame of gRPC-Web that holds the trailers (R36).
pub(crate) const TRAILERS: u8 = 0x80;

/// CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED.
const CANCELLED: &str = "1";
const EXCEEDED: &str = "4";
const EXHAUSTED: &str = "8";

/// What the hop that is called was told of the deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told(pub(crate) Deadline);

impl Told {
    /// Whether that hop may have seen its deadline pass.
    pub(crate) fn has_passed(self) -> bool {
        self.0.is_expired(now())
    }

    /// R24: CANCELLED once the deadline has passed is DEADLINE_EXCEEDED.
    pub(crate) fn correct(self, fields: &mut HeaderMap) {
        if is_status(fields, CANCELLED) && self.has_passed() {
            fields.insert(GRPC_STATUS.clone(), HeaderValue::from_static(EXCEEDED));
        }
    }
}

/// Whether these fields say DEADLINE_EXCEEDED.
pub(crate) fn is_exceeded(fields: &HeaderMap) -> bool {
    is_status(fields, EXCEEDED)
}

/// Whether these fields say DEADLINE_EXCEEDED, and whether RESOURCE_EXHAUSTED.
pub(crate) fn report(fields: &HeaderMap) -> (bool, bool) {
    let Some(status) = fields.get(&GRPC_STATUS) else { return (false, false) };
    (status == EXCEEDED, status == EXHAUSTED)
}

/// The answer without a message.
pub(crate) fn answer(exceeded: &Exceeded) -> Response<Bytes> {
    Answers::default().exceeded(exceeded, StatusCode::GATEWAY_TIMEOUT, Call::Grpc)
}

/// The same, where a message ends early (R13).
pub(crate) fn trailers(exceeded: &Exceeded) -> HeaderMap {
    let mut fields = answer(exceeded).into_parts().0.headers;
    fields.remove(CONTENT_TYPE);
    fields
}

/// The same as the frame that ends the body of gRPC-Web.
///
/// > Key-value pairs encoded as a HTTP/1 headers block (without the terminating newline).
pub(crate) fn trailers_frame(exceeded: &Exceeded) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in &trailers(exceeded) {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    envelope::sealed(TRAILERS, &block)
}

/// Writes a code and what it is about.
pub(crate) fn write_status(fields: &mut HeaderMap, code: Code, message: &str) {
    fields.insert(GRPC_STATUS.clone(), HeaderValue::from(code as u16));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(message)) {
        fields.insert(GRPC_MESSAGE.clone(), message);
    }
}

/// As the gRPC protocol wants its messages: `%` and all but printable ASCII in hexadecimal.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn is_status(fields: &HeaderMap, status: &str) -> bool {
    fields.get(&GRPC_STATUS).is_some_and(|value| value == status)
}
