//! How many fields a head over HTTP/2 may have.
//!
//! hyper counts the fields of HTTP/1.1 itself, and of HTTP/2 only their bytes: 64 KiB are two thousand small fields,
//! each of which every later hop looks at. Answers 431. Does not count trailers.

use std::task::{Context, Poll};

use http::{Request, Response, StatusCode, Version};
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers};

use super::answered::Answered;
use crate::count::{self, Refusal};

/// Layer of [`HeadCount`]. See the module.
#[derive(Clone, Debug)]
pub struct HeadCountLayer {
    most: usize,
    answers: Answers,
}

impl HeadCountLayer {
    /// Lets in heads of at most this many fields.
    #[must_use]
    pub fn new(most: usize, answers: Answers) -> Self {
        Self { most, answers }
    }
}

impl<S> Layer<S> for HeadCountLayer {
    type Service = HeadCount<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HeadCount { inner, layer: self.clone() }
    }
}

/// Refuses heads of too many fields. See the module.
#[derive(Clone, Debug)]
pub struct HeadCount<S> {
    inner: S,
    layer: HeadCountLayer,
}

impl<S, RB, B> Service<Request<RB>> for HeadCount<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answered<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let HeadCountLayer { most, answers } = &self.layer;
        if request.version() != Version::HTTP_2 || request.headers().len() <= *most {
            return Answered::Inner(self.inner.call(request));
        }
        count::refused(Refusal::HeadCount);
        let (status, call) = (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Call::of(request.headers()));
        Answered::with(answers.failure(status, &format!("more than {most} fields"), call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    async fn status(version: Version, fields: usize) -> u16 {
        let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(())) });
        let service = HeadCountLayer::new(3, Answers::new()).layer(inner);
        let mut request = Request::get("/").version(version).body(()).unwrap();
        for _ in 0..fields {
            request.headers_mut().append("a", "1".parse().unwrap());
        }
        service.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn one_field_too_many_is_a_431_also_where_they_share_a_name() {
        assert_eq!(status(Version::HTTP_2, 3).await, 200);
        assert_eq!(status(Version::HTTP_2, 4).await, 431);
        assert_eq!(status(Version::HTTP_11, 4).await, 200, "hyper has counted them");
    }
}
