//! Trailers that may pass, of requests and of answers.
//!
//! Covers what has no business behind a body: fields of one connection, fields on which a message depends, who asked,
//! and deadlines, of which nobody would take what is left (R9, R30). A peer of HTTP/2 ends the stream at some of them; another that reads
//! trailers as fields would believe the others. Data passes as it is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_deadline::Dialects;
use tower_deadline::hop_by_hop::strip_trailers;

use crate::forward::clear;

/// A body that is passed on exactly (R14), but for trailers that may not pass.
#[pin_project]
#[derive(Debug)]
pub(super) struct TrailersBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
}

impl<B> TrailersBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner: Some(inner) }
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
    use http::{HeaderMap, HeaderName, HeaderValue};
    use http_body_util::BodyExt;
    use tower_deadline::Dialect;

    // R14
    #[test]
    fn a_body_passes_exactly() {
        assert_body_passes(TrailersBody::new);
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
        let body = TrailersBody::new(ScriptedBody::new([Step::Data("a"), Step::Trailers(trailers)]));
        assert_eq!(body.collect().await.unwrap().trailers(), Some(&kept));
    }
}
