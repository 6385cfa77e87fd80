//! Between the hops: a request is addressed to the upstream, and an upstream that fails is answered for.
//!
//! Covers the address and the `Host` of the outgoing request, and a 502 for an upstream that cannot be reached
//! or breaks off before its head. Does not carry tunnels: `CONNECT` is refused. A deadline that passes is not a
//! failure of the upstream and goes on outwards as an error.

use std::error::Error;
use std::iter::successors;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy;
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers, BodyError, Exceeded, PropagateError};

use crate::count::{self, Refusal};

#[derive(Clone, Debug)]
pub(super) struct GatewayLayer {
    upstream: Uri,
    answers: Answers,
}

impl GatewayLayer {
    pub(super) fn new(upstream: Uri, answers: Answers) -> Self {
        Self { upstream, answers }
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
                address(&mut request, &self.layer.upstream, call);
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

/// Addresses the request to the upstream. Its `Host` is the client's; an HTTP/2 request has its authority
/// instead, and hyper writes the upstream's to one that leaves by HTTP/2.
fn address<B>(request: &mut Request<B>, upstream: &Uri, call: Call) {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    // RFC 9110 §7.2: a `Host` has no user information.
    let host = uri.authority.as_ref().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    let host = host.map(HeaderValue::from_str);
    match host {
        _ if call == Call::Grpc => drop(request.headers_mut().remove(HOST)),
        // RFC 9112 §3.2.2: the authority of an absolute target wins over `Host`.
        Some(Ok(host)) => drop(request.headers_mut().insert(HOST, host)),
        _ => {}
    }
    join_cookies(request.headers_mut());
    *request.uri_mut() = target(upstream, uri.path_and_query);
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

fn target(upstream: &Uri, path: Option<PathAndQuery>) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(upstream.scheme().cloned().unwrap_or(Scheme::HTTP));
    parts.authority = upstream.authority().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // An upstream without an authority cannot be called, which the call then says.
    Uri::from_parts(parts).unwrap_or_default()
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
            Ok(mut response) => {
                // RFC 9110 §6.2: the version is the sender's own, and chunks are what tells a whole body from half of one.
                if response.version() < Version::HTTP_11 {
                    *response.version_mut() = Version::HTTP_11;
                }
                Ok(response.map(AnswerBody::Inner))
            }
            // A request body that ran out of time comes back as the client's failure; it is a deadline all the same.
            Err(PropagateError::Inner(error)) if Exceeded::find(&*error).is_none() => {
                let (status, detail) = blame(&*error);
                Ok(this.answers.failure(status, detail, *this.call).map(AnswerBody::from))
            }
            Err(stopped) => Err(stopped),
        })
    }
}

/// Whose failure it was.
fn blame(error: &(dyn Error + 'static)) -> (StatusCode, &'static str) {
    if error.downcast_ref().is_some_and(legacy::Error::is_connect) {
        return (StatusCode::BAD_GATEWAY, "upstream cannot be reached");
    }
    let chain = || successors(Some(error), |error| (*error).source());
    if chain().any(|error| error.is::<BodyError>()) {
        return (StatusCode::BAD_REQUEST, "the request body broke off or is malformed");
    }
    if chain().filter_map(|error| error.downcast_ref()).any(hyper::Error::is_parse) {
        return (StatusCode::BAD_GATEWAY, "upstream answered with what is not HTTP, or too much of it");
    }
    (StatusCode::BAD_GATEWAY, "upstream broke off before its answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addressed(target: &str, host: Option<&'static str>, call: Call) -> (String, Option<String>) {
        let mut request = Request::get(target).body(()).unwrap();
        if let Some(host) = host {
            request.headers_mut().insert(HOST, HeaderValue::from_static(host));
        }
        address(&mut request, &Uri::from_static("http://10.0.0.7:3000"), call);
        let host = request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned());
        (request.uri().to_string(), host)
    }

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

    #[test]
    fn the_path_is_kept_and_so_is_the_clients_host() {
        let (uri, host) = addressed("/a%2Fb?c=d&e", Some("shop.example"), Call::Http);
        assert_eq!(uri, "http://10.0.0.7:3000/a%2Fb?c=d&e");
        assert_eq!(host.as_deref(), Some("shop.example"));
    }

    #[test]
    fn the_authority_of_the_target_wins_over_the_host() {
        let (uri, host) = addressed("http://user:pw@shop.example/x", Some("other.example"), Call::Http);
        assert_eq!(uri, "http://10.0.0.7:3000/x");
        assert_eq!(host.as_deref(), Some("shop.example"));
    }

    #[test]
    fn a_call_by_http2_has_an_authority_and_no_host() {
        let (uri, host) = addressed("http://shop.example/pkg.Svc/Do", None, Call::Grpc);
        assert_eq!(uri, "http://10.0.0.7:3000/pkg.Svc/Do");
        assert_eq!(host, None);
    }
}
