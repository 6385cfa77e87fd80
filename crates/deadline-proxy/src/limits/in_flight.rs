//! How many requests of a route may be under way.
//!
//! Covers all workers together: a clone counts with its origin. A request is under way until its response body has
//! ended or is dropped; one that came while there was no limit is not counted. What comes on top is answered at once
//! (503 with `Retry-After`, or gRPC's code 8) and never waits: a queue in front of an upstream that is full only adds
//! to its load.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

use super::{Place, Room};
use crate::count::{self, Refusal};

/// What is refused for want of room comes again after this many seconds: a second is long for a queue, short for a
/// person, and enough that clients do not come back in step with what they were refused for.
pub(super) const COME_BACK: HeaderValue = HeaderValue::from_static("1");

/// How many requests of a route may be under way. See the module.
#[derive(Clone, Debug)]
pub struct InFlight {
    room: Room,
    is_limited: bool,
    answers: Answers,
}

impl InFlight {
    /// Lets in `limit` requests at a time; `None`: every one. Answers the others by `answers`.
    #[must_use]
    pub fn new(limit: Option<usize>, answers: Answers) -> Self {
        Self { room: Room::new(limit.unwrap_or_default()), is_limited: limit.is_some(), answers }
    }

    /// Another limit, which counts with this one, and other answers.
    #[must_use]
    pub(crate) fn succeeded_by(&self, limit: Option<usize>, answers: Answers) -> Self {
        Self { room: self.room.resized(limit.unwrap_or_default()), is_limited: limit.is_some(), answers }
    }

    /// A place where there is a limit; the answer to a call of this kind where there is no room.
    pub(crate) fn enter(&self, call: impl FnOnce() -> Call) -> Result<Option<Place>, Box<Response<Bytes>>> {
        if !self.is_limited {
            return Ok(None);
        }
        self.room.enter().map(Some).ok_or_else(|| Box::new(self.refusal(call())))
    }

    fn refusal(&self, call: Call) -> Response<Bytes> {
        count::refused(Refusal::InFlight);
        let mut answer =
            self.answers.failure(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way here", call);
        answer.headers_mut().insert(RETRY_AFTER, COME_BACK);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(limit: usize) -> InFlight {
        InFlight::new(Some(limit), Answers::new().hop("edge"))
    }

    fn entered(layer: &InFlight) -> Result<Option<Place>, u16> {
        layer.enter(|| Call::Http).map_err(|answer| answer.status().as_u16())
    }

    #[test]
    fn room_is_held_by_all_clones_together() {
        let layer = layer(2);
        let (first, _second) = (entered(&layer.clone()).unwrap(), entered(&layer).unwrap());
        assert_eq!(entered(&layer.clone()).err(), Some(503));
        drop(first);
        assert!(entered(&layer).is_ok_and(|place| place.is_some()));
    }

    #[test]
    fn a_refusal_says_when_to_come_back_in_the_callers_own_words() {
        let layer = layer(0);
        let answer = layer.enter(|| Call::Http).unwrap_err();
        assert_eq!((answer.status().as_u16(), answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "1"));
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((&document["status"], &document["hop"]), (&503.into(), &"edge".into()));
        let answer = layer.enter(|| Call::Grpc).unwrap_err();
        assert_eq!((answer.status().as_u16(), answer.headers()["grpc-status"].to_str().unwrap()), (200, "8"));
    }

    #[test]
    fn another_limit_counts_who_is_under_way_already() {
        let before = layer(2);
        let _both = (entered(&before), entered(&before));
        let after = |limit| before.succeeded_by(limit, Answers::new());
        assert!(entered(&after(Some(2))).is_err());
        assert!(entered(&after(Some(3))).is_ok());
        assert!(entered(&after(None)).is_ok());
        let again = after(None).succeeded_by(Some(2), Answers::new());
        assert!(entered(&again).is_err(), "they are counted through a time without a limit");
    }

    #[test]
    fn without_a_limit_everybody_is_let_in() {
        let layer = InFlight::new(None, Answers::new());
        assert!((0..1_000).all(|_| entered(&layer).is_ok_and(|place| place.is_none())));
    }
}
