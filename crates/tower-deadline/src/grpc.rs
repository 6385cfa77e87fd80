//! gRPC's own words for a deadline that passed.
//!
//! Covers what a call of gRPC is told, in a head without a body or in trailers, and what it means when the hop that
//! was called says so. Does not know timers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_deadline::dialect::{Call, GRPC_STATUS};
use http_deadline::{Deadline, Exceeded};

use crate::{Answers, now};

/// CANCELLED, DEADLINE_EXCEEDED.
const CANCELLED: &str = "1";
const EXCEEDED: &str = "4";

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

fn is_status(fields: &HeaderMap, status: &str) -> bool {
    fields.get(&GRPC_STATUS).is_some_and(|value| value == status)
}
