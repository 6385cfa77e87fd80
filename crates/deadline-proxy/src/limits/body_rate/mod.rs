//! How slow a request body may come.
//!
//! Covers bodies that trickle: each holds a connection here and one to the upstream, and costs its sender nothing.
//! Time counts only while somebody waits for the body and nothing is there, never while the upstream or we are the
//! slow ones. Whoever is too slow gets a 408 and a closed connection, or an abort where the head of the answer is out.
//!
//! A body has a patience of `grace`, which waiting uses up, and which each byte that comes renews by the time that it
//! may take at the floor: whoever keeps to the floor never runs out of it, and nobody saves up more than `grace`.
//! Apache counts alike, but lets a gigabyte that came fast pay for hours of silence.
//!
//! Does not cover calls of gRPC and streams of Connect, which are silent as long as nobody has something to say: they
//! have their deadlines.

mod body;
mod patience;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::Body;
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

pub(crate) use self::body::Verdict;
pub use self::body::{RateBody, TooSlow};
use super::Rate;

/// Ends request bodies that trickle. See the module.
#[derive(Clone, Debug)]
pub struct BodyRate {
    rate: Option<Rate>,
    answers: Answers,
}

impl BodyRate {
    /// Ends bodies slower than `rate`; `None`: none.
    #[must_use]
    pub fn new(rate: Option<Rate>, answers: Answers) -> Self {
        Self { rate, answers }
    }

    /// What a body of such a call is held to, and how that is told of; `None` for one that may be silent.
    pub(crate) fn watch(&self, call: Call, body: &impl Body) -> Option<(Rate, Arc<Verdict>)> {
        let is_silent = body.is_end_stream() || !matches!(call, Call::Http | Call::Connect);
        self.rate.filter(|_| !is_silent).map(|rate| (rate, Arc::default()))
    }

    /// The answer to a request of this version whose body was too slow.
    pub(crate) fn too_slow(&self, version: Version, call: Call) -> Response<Bytes> {
        let detail = "the request body comes too slowly";
        let mut answer = self.answers.failure(StatusCode::REQUEST_TIMEOUT, detail, call);
        // RFC 9110 §15.5.9. HTTP/2 has no such field, and resets the stream.
        if version < Version::HTTP_2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

#[cfg(test)]
mod tests;
