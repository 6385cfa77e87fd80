//! Between the hops: what is no request for an upstream is refused, and an upstream that fails is answered for.
//!
//! Covers a 502 for an upstream that cannot be reached or breaks off before its head, and a 503 where there is no room
//! for one more request. Is no forward proxy: `CONNECT` is refused. A deadline that passes is not a failure of the
//! upstream and goes on outwards as an error.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{COOKIE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers, Exceeded, PropagateError};

use super::blame::{blame, told};
use crate::count::{self, Refusal};

#[derive(Clone, Debug)]
pub(super) struct GatewayLayer {
    answers: Answers,
}

impl GatewayLayer {
    pub(super) fn new(answers: Answers) -> Self {
        Self { answers }
    }
}

impl<S> Layer<S> for GatewayLayer {
    type Service = Gateway<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gateway { inner, layer: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Gateway<S> {
    inner: S,
    layer: GatewayLayer,
}

impl<S, RB, B> Service<Request<RB>> for Gateway<S>
where
    S: Service<Request<RB>, Response = Response<B>, Error = PropagateError>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = PropagateError;
    type Future = GatewayFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let call = Call::of(request.headers());
        let answers = self.layer.answers.clone();
        let state = match refusal(&request) {
            Some((status, detail)) => State::Refused(Some(answers.failure(status, detail, call))),
            None => {
                join_cookies(request.headers_mut());
                State::Sent(self.inner.call(request))
            }
        };
        GatewayFuture { state, call, answers }
    }
}

/// Why a request does not go through.
fn refusal<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    if *request.method() == Method::CONNECT {
        return Some((StatusCode::NOT_IMPLEMENTED, "this proxy opens no tunnels"));
    }
    // RFC 9112 §3.2: one host, and in HTTP/1.1 at least one.
    let hosts = request.headers().get_all(HOST).iter().count();
    let unnamed = hosts == 0 && request.version() == Version::HTTP_11 && request.uri().authority().is_none();
    (hosts > 1 || unnamed).then(|| {
        count::refused(Refusal::Framing);
        (StatusCode::BAD_REQUEST, "host: exactly one is expected")
    })
}

/// RFC 9113 §8.2.3: HTTP/2 may send a cookie in crumbs, and HTTP/1.1 knows one field.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1 {
        if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(COOKIE, whole);
        }
    }
}

#[pin_project]
pub(super) struct GatewayFuture<F> {
    #[pin]
    state: State<F>,
    call: Call,
    answers: Answers,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Sent(#[pin] F),
    /// `None` once it was told.
    Refused(Option<Response<Bytes>>),
}

impl<F, B> Future for GatewayFuture<F>
where
    F: Future<Output = Result<Response<B>, PropagateError>>,
{
    type Output = Result<Response<AnswerBody<B>>, PropagateError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = match this.state.project() {
            StateProjection::Sent(inner) => inner,
            StateProjection::Refused(answer) => {
                let answer = answer.take().map(|answer| Ok(answer.map(AnswerBody::from)));
                return answer.map_or(Poll::Pending, Poll::Ready);
            }
        };
        Poll::Ready(match ready!(inner.poll(cx)) {
            Ok(response) => Ok(response.map(AnswerBody::Inner)),
            // A request body that ran out of time comes back as the client's failure; it is a deadline all the same.
            Err(PropagateError::Inner(error)) if Exceeded::find(&*error).is_none() => {
                Ok(failed(this.answers, &*error, *this.call).map(AnswerBody::from))
            }
            Err(stopped) => Err(stopped),
        })
    }
}

fn failed(answers: &Answers, error: &(dyn Error + 'static), call: Call) -> Response<Bytes> {
    let (status, detail) = blame(error);
    // What a client does wrong, any client can do without end, and an operator can do nothing about.
    if status.is_client_error() {
        tracing::debug!(status = status.as_u16(), "{}", told(error));
    } else {
        tracing::warn!(status = status.as_u16(), "{}", told(error));
    }
    let mut answer = answers.failure(status, detail, call);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        count::refused(Refusal::PoolFull);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host() {
        let mut request = Request::get("/").body(()).unwrap();
        let status = |request: &Request<()>| refusal(request).map(|(status, _)| status.as_u16());
        assert_eq!(status(&request), Some(400));
        request.headers_mut().append(HOST, HeaderValue::from_static("a"));
        assert_eq!(status(&request), None);
        request.headers_mut().append(HOST, HeaderValue::from_static("b"));
        assert_eq!(status(&request), Some(400));
        assert_eq!(status(&Request::connect("a:443").body(()).unwrap()), Some(501));
        let old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(status(&old), None);
    }

    #[test]
    fn the_crumbs_of_a_cookie_are_joined() {
        let mut headers = HeaderMap::new();
        join_cookies(&mut headers);
        assert!(headers.is_empty());
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
