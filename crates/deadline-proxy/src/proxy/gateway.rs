//! Between the hops: a request is addressed to the upstream, and an upstream that fails is answered for.
//!
//! Covers the address and the `Host` of the outgoing request, and a 502 for an upstream that cannot be reached
//! or breaks off before its head. Does not carry tunnels: `CONNECT` is refused. A deadline that passes is not a
//! failure of the upstream and goes on outwards as an error.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy;
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::{AnswerBody, Answers, PropagateError};

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
        let state = if *request.method() == Method::CONNECT {
            let detail = "this proxy opens no tunnels";
            State::Refused(Some(answers.failure(StatusCode::NOT_IMPLEMENTED, detail, call)))
        } else {
            address(&mut request, &self.layer.upstream, call);
            State::Sent(self.inner.call(request))
        };
        GatewayFuture { state, call, answers }
    }
}

/// Addresses the request to the upstream. Its `Host` is the client's; an HTTP/2 request has its authority
/// instead, and hyper writes the upstream's to one that leaves by HTTP/2.
fn address<B>(request: &mut Request<B>, upstream: &Uri, call: Call) {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    let host = uri.authority.as_ref().map(Authority::as_str).map(HeaderValue::from_str);
    match host {
        _ if call == Call::Grpc => drop(request.headers_mut().remove(HOST)),
        // RFC 9112 §3.2.2: the authority of an absolute target wins over `Host`.
        Some(Ok(host)) => drop(request.headers_mut().insert(HOST, host)),
        _ => {}
    }
    *request.uri_mut() = target(upstream, uri.path_and_query);
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
            Ok(response) => Ok(response.map(AnswerBody::Inner)),
            Err(PropagateError::Inner(error)) => {
                let failed = error.downcast_ref::<legacy::Error>();
                let unreached = failed.is_some_and(legacy::Error::is_connect);
                let detail =
                    if unreached { "upstream cannot be reached" } else { "upstream broke off before its answer" };
                Ok(this.answers.failure(StatusCode::BAD_GATEWAY, detail, *this.call).map(AnswerBody::from))
            }
            Err(stopped) => Err(stopped),
        })
    }
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
    fn the_path_is_kept_and_so_is_the_clients_host() {
        let (uri, host) = addressed("/a%2Fb?c=d&e", Some("shop.example"), Call::Http);
        assert_eq!(uri, "http://10.0.0.7:3000/a%2Fb?c=d&e");
        assert_eq!(host.as_deref(), Some("shop.example"));
    }

    #[test]
    fn the_authority_of_the_target_wins_over_the_host() {
        let (uri, host) = addressed("http://shop.example/x", Some("other.example"), Call::Http);
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
