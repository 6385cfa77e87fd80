//! The Connect protocol's own words for a call that fails.
//!
//! Covers the error of one message, and the envelope that ends a stream. Does not decide when they are said.
//!
//! > Failed RPCs must provide an `Error` in the "error" property

use http_deadline::Exceeded;
use http_deadline::dialect::trail::{DEADLINE_EXCEEDED, Trail};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::code::Code;
use crate::{answer, envelope};

/// The flag of the envelope that ends a stream.
pub(crate) const LAST: u8 = 0b10;

#[derive(Serialize)]
struct Error<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct EndOfStream<'a> {
    error: Error<'a>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

impl<'a> Error<'a> {
    fn new(code: Code, message: &'a str) -> Self {
        Self { code: code.word(), message }
    }
}

/// The body of an answer that is one message.
pub(crate) fn error(code: Code, message: &str) -> Vec<u8> {
    // Text is all that is written, so there is no error to look at.
    serde_json::to_vec(&Error::new(code, message)).unwrap_or_default()
}

/// The last envelope of a stream, which is all of it or stands behind its messages.
pub(crate) fn end_of_stream(code: Code, message: &str) -> Vec<u8> {
    EndOfStream { error: Error::new(code, message), metadata: Map::new() }.seal()
}

/// The last envelope of a stream that is stopped, with the field that no head can take any more.
pub(crate) fn end_early(exceeded: &Exceeded) -> Vec<u8> {
    let trail = Trail::of(exceeded, None).to_string();
    let metadata = Map::from_iter([(DEADLINE_EXCEEDED.to_string(), Value::from(vec![trail]))]);
    let (_, message) = answer::words(exceeded);
    EndOfStream { error: Error::new(Code::of_cause(exceeded.cause()), &message), metadata }.seal()
}

impl EndOfStream<'_> {
    fn seal(&self) -> Vec<u8> {
        envelope::sealed(LAST, &serde_json::to_vec(self).unwrap_or_default())
    }
}
