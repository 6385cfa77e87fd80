//! What is answered in the place of a message with two readings.

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

use super::framing;
use crate::count::{self, Refusal};

/// Passes on no message that two parties could read differently; see the [module](super). A part of the
/// [front](crate::front).
#[derive(Clone, Debug)]
pub struct FramingLayer {
    answers: Answers,
}

impl FramingLayer {
    /// Answers in this way.
    #[must_use]
    pub fn new(answers: Answers) -> Self {
        Self { answers }
    }

    /// The answer to a request that is not passed on, after which an HTTP/1.1 connection is closed: nobody knows where
    /// the next request begins.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        let shape = framing(request).err()?;
        count::refused(Refusal::Framing);
        let mut answer = self.answers.failure(shape.status(), shape.detail(), Call::of(request.headers()));
        if request.version() < Version::HTTP_2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::{BodyExt, Empty};
    use std::convert::Infallible;
    use tower::{Layer, ServiceExt, service_fn};

    use crate::access::ReceivedBody;
    use crate::front::FrontLayer;

    async fn answer(request: Request<()>) -> Response<Bytes> {
        let inner = service_fn(async |_: Request<ReceivedBody<Empty<Bytes>>>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let service = FrontLayer::new().framing(FramingLayer::new(Answers::new().hop("edge"))).layer(inner);
        let (head, body) = service.oneshot(request.map(|()| Empty::new())).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    // R35
    #[tokio::test]
    async fn a_refusal_closes_the_connection_where_that_can_be_said() {
        let request = |version| Request::post("/").version(version).header("host", "u@a").body(()).unwrap();
        for (version, close) in [(Version::HTTP_10, true), (Version::HTTP_11, true), (Version::HTTP_2, false)] {
            let answer = answer(request(version)).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            assert_eq!(answer.headers().contains_key(CONNECTION), close, "{version:?}");
            assert!(answer.body().starts_with(b"{"));
        }
    }

    #[tokio::test]
    async fn what_has_one_reading_is_passed_on() {
        let answer = answer(Request::get("/").header("host", "a").body(()).unwrap()).await;
        assert_eq!((answer.status(), answer.body().len()), (StatusCode::OK, 0));
        assert!(!answer.headers().contains_key(CONNECTION));
    }
}
