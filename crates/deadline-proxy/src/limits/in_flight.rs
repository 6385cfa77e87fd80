//! How many requests of a route may be under way.
//!
//! Covers all workers together: a clone counts with its origin. A request is under way until its response body has
//! ended or is dropped; one that came while there was no limit is not counted. What comes on top is answered at once
//! (503 with `Retry-After`, or gRPC's code 8) and never waits: a queue in front of an upstream that is full only adds
//! to its load.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use super::answered::Answered;
use super::{Held, Place, Room};
use crate::count::{self, Refusal};

/// What is refused for want of room comes again after this many seconds: a second is long for a queue, short for a
/// person, and enough that clients do not come back in step with what they were refused for.
pub(super) const COME_BACK: HeaderValue = HeaderValue::from_static("1");

/// Layer of [`InFlight`]. See the module.
#[derive(Clone, Debug)]
pub struct InFlightLayer {
    room: Room,
    is_limited: bool,
    answers: Answers,
}

impl InFlightLayer {
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

    /// `Err` where there is no room.
    fn enter(&self) -> Result<Option<Place>, ()> {
        if self.is_limited { self.room.enter().map(Some).ok_or(()) } else { Ok(None) }
    }

    fn refusal(&self, call: Call) -> Response<Bytes> {
        count::refused(Refusal::InFlight);
        let mut answer =
            self.answers.failure(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way here", call);
        answer.headers_mut().insert(RETRY_AFTER, COME_BACK);
        answer
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight { inner, layer: self.clone() }
    }
}

/// Refuses what comes on top of the limit. See the module.
#[derive(Clone, Debug)]
pub struct InFlight<S> {
    inner: S,
    layer: InFlightLayer,
}

impl<S, RB, B> Service<Request<RB>> for InFlight<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<Held<AnswerBody<B>, Place>>;
    type Error = S::Error;
    type Future = InFlightFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        match self.layer.enter() {
            Ok(place) => InFlightFuture { inner: Answered::Inner(self.inner.call(request)), place },
            Err(()) => {
                let answer = self.layer.refusal(Call::of(request.headers()));
                InFlightFuture { inner: Answered::with(answer), place: None }
            }
        }
    }
}

/// Future of [`InFlight`]. To drop it is to make room.
#[pin_project]
#[derive(Debug)]
pub struct InFlightFuture<F> {
    #[pin]
    inner: Answered<F>,
    place: Option<Place>,
}

impl<F, B, E> Future for InFlightFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Held<AnswerBody<B>, Place>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        let place = this.place.take();
        Poll::Ready(response.map(|response| response.map(|body| Held::new(body, place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{ScriptedBody, ScriptedError, Step};
    use http_body_util::BodyExt;
    use tower::{ServiceExt, service_fn};

    type Reply = Response<Held<AnswerBody<ScriptedBody>, Place>>;

    async fn sent(layer: &InFlightLayer, media: &'static str) -> Reply {
        let service = layer.layer(service_fn(|_: Request<()>| async {
            Ok::<_, ScriptedError>(Response::new(ScriptedBody::new([Step::Data("a"), Step::Data("b")])))
        }));
        let request = Request::get("/").header("content-type", media).body(()).unwrap();
        service.oneshot(request).await.unwrap()
    }

    fn layer(limit: usize) -> InFlightLayer {
        InFlightLayer::new(Some(limit), Answers::new().hop("edge"))
    }

    #[tokio::test]
    async fn room_is_held_until_the_body_ends_and_by_all_clones_together() {
        let layer = layer(2);
        let mut first = sent(&layer.clone(), "").await.into_body();
        let second = sent(&layer.clone(), "").await;
        assert_eq!(sent(&layer, "").await.status(), 503);
        first.frame().await.unwrap().unwrap();
        assert_eq!(sent(&layer, "").await.status(), 503, "a part is not the end");
        first.frame().await.unwrap().unwrap();
        assert!(first.frame().await.is_none());
        assert_eq!(sent(&layer, "").await.status(), 200);
        drop((first, second));
        let both = (sent(&layer, "").await, sent(&layer, "").await);
        assert_eq!((both.0.status().as_u16(), both.1.status().as_u16()), (200, 200));
        assert_eq!(sent(&layer, "").await.status(), 503);
    }

    #[tokio::test]
    async fn a_refusal_says_when_to_come_back_in_the_callers_own_words() {
        let layer = layer(1);
        let _busy = sent(&layer, "").await;
        let answer = sent(&layer, "text/plain").await;
        assert_eq!((answer.status().as_u16(), answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "1"));
        let document = answer.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!((&document["status"], &document["hop"]), (&503.into(), &"edge".into()));
        let answer = sent(&layer, "application/grpc").await;
        assert_eq!((answer.status().as_u16(), answer.headers()["grpc-status"].to_str().unwrap()), (200, "8"));
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_or_fails_makes_room() {
        let layer = layer(1);
        let mut service = layer.layer(service_fn(|request: Request<u8>| async move {
            match request.into_body() {
                0 => std::future::pending().await,
                _ => Err::<Response<ScriptedBody>, _>(ScriptedError),
            }
        }));
        drop(service.call(Request::new(0)));
        assert!(service.call(Request::new(1)).await.is_err());
        assert_eq!(sent(&layer, "").await.status(), 200);
    }

    #[tokio::test]
    async fn another_limit_counts_who_is_under_way_already() {
        let before = layer(2);
        let _both = (sent(&before, "").await, sent(&before, "").await);
        let after = |limit| before.succeeded_by(limit, Answers::new());
        assert_eq!(sent(&after(Some(2)), "").await.status(), 503);
        assert_eq!(sent(&after(Some(3)), "").await.status(), 200);
        assert_eq!(sent(&after(None), "").await.status(), 200);
        let again = after(None).succeeded_by(Some(2), Answers::new());
        assert_eq!(sent(&again, "").await.status(), 503, "they are counted through a time without a limit");
    }

    #[tokio::test]
    async fn without_a_limit_everybody_is_let_in() {
        let layer = InFlightLayer::new(None, Answers::new());
        let mut open = Vec::new();
        for _ in 0..1_000 {
            open.push(sent(&layer, "").await);
        }
        assert!(open.iter().all(|answer| answer.status() == 200));
    }
}
