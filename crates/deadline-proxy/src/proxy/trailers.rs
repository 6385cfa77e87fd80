//! Trailers that may pass, of requests and of answers.
//!
//! Covers what has no business behind a body: fields of one connection, by their name or because the head says so, fields
//! on which a message depends, who asked, and deadlines, of which nobody would take what is left (R9, R30). A peer of
//! HTTP/2 ends the stream at some of them; another that reads trailers as fields would believe the others. Data passes
//! as it is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_deadline::Dialects;
use tower_deadline::hop_by_hop::{named_by_connection, strip_trailers};

use crate::forward::clear;

/// The trailers of a request, whose head was not stripped yet.
pub(super) fn of_request<B: Body>(request: Request<B>) -> Request<TrailersBody<B>> {
    let (head, body) = request.into_parts();
    let body = TrailersBody::behind(&head.headers, body);
    Request::from_parts(head, body)
}

/// The trailers of an answer, whose head was not stripped yet.
pub(super) fn of_response<B: Body>(response: Response<B>) -> Response<TrailersBody<B>> {
    let (head, body) = response.into_parts();
    let body = TrailersBody::behind(&head.headers, body);
    Response::from_parts(head, body)
}

/// A body that is passed on exactly (R14), but for trailers that may not pass.
#[pin_project]
#[derive(Debug)]
pub(super) struct TrailersBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    /// What concerns the connection on the word of the head.
    named: Vec<HeaderName>,
}

impl<B: Body> TrailersBody<B> {
    /// The body behind this head.
    fn behind(headers: &HeaderMap, inner: B) -> Self {
        // Most requests have no body, and need not be read for one.
        let named = if inner.is_end_stream() { Vec::new() } else { named_by_connection(headers) };
        Self { inner: Some(inner), named }
    }
}

impl<B: Body> Body for TrailersBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let mut frame = ready!(inner.poll_frame(cx));
        match &mut frame {
            Some(Ok(frame)) => frame.trailers_mut().into_iter().for_each(|trailers| {
                strip_trailers(trailers);
                this.named.iter().for_each(|name| drop(trailers.remove(name)));
                clear(trailers);
                Dialects::default().strip(trailers);
            }),
            _ => this.inner.set(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{ScriptedBody, Step, assert_body_passes};
    use http::HeaderValue;
    use http_body_util::BodyExt;
    use tower_deadline::Dialect;

    // R14
    #[test]
    fn a_body_passes_exactly() {
        assert_body_passes(|body| TrailersBody::behind(&HeaderMap::new(), body));
    }

    // R9, R30
    #[tokio::test]
    async fn what_may_not_stand_in_trailers_does_not_pass() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        let kept = trailers.clone();
        for name in ["connection", "content-length", "host", "x-real-ip", "x_forwarded_for"]
            .into_iter()
            .chain(Dialect::ALL.map(Dialect::as_str))
        {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("5"));
        }
        let body = ScriptedBody::new([Step::Data("a"), Step::Trailers(trailers)]);
        let body = TrailersBody::behind(&HeaderMap::new(), body);
        assert_eq!(body.collect().await.unwrap().trailers(), Some(&kept));
    }

    /// A body with two trailers, behind a head that names one of them.
    fn named() -> (HeaderMap, ScriptedBody) {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        trailers.append("x-own", HeaderValue::from_static("1"));
        trailers.append("x-own", HeaderValue::from_static("2"));
        let body = ScriptedBody::new([Step::Data("a"), Step::Trailers(trailers)]);
        let mut head = HeaderMap::new();
        head.insert("connection", HeaderValue::from_static("close, X-Own"));
        (head, body)
    }

    // R30
    #[tokio::test]
    async fn what_the_head_names_as_a_matter_of_its_connection_does_not_pass_behind_the_body() {
        let mut kept = HeaderMap::new();
        kept.insert("x-checksum", HeaderValue::from_static("42"));
        let (head, body) = named();
        let mut request = Request::new(body);
        *request.headers_mut() = head;
        assert_eq!(of_request(request).into_body().collect().await.unwrap().trailers(), Some(&kept));
        let (head, body) = named();
        let mut response = Response::new(body);
        *response.headers_mut() = head;
        assert_eq!(of_response(response).into_body().collect().await.unwrap().trailers(), Some(&kept));
    }
}
