//! When a request is written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::telling::{Telling, calling};

/// Tells the call when its request was written, to the end of its body. Its place is directly around the client, inside
/// of [`PropagateLayer`](crate::PropagateLayer); the client is one of [`WrittenBody`]. See the [module](super).
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceBuilder;
/// use tower_deadline::PropagateLayer;
/// use tower_deadline::propagate::trace::{TracedConnector, WrittenBody, WrittenLayer};
///
/// let connector = TracedConnector::new(HttpConnector::new());
/// let client = Client::builder(TokioExecutor::new()).build::<_, WrittenBody<Full<Bytes>>>(connector);
/// let client = ServiceBuilder::new().layer(PropagateLayer::new()).layer(WrittenLayer::new()).service(client);
/// # let _ = client;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WrittenLayer {
    _private: (),
}

impl WrittenLayer {
    /// Tells of every call through it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for WrittenLayer {
    type Service = Written<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Written { inner }
    }
}

/// The service of [`WrittenLayer`].
#[derive(Clone, Debug)]
pub struct Written<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Written<S>
where
    S: Service<Request<WrittenBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let telling = calling(|call| call.and_then(|call| call.telling.clone()));
        self.inner.call(request.map(|inner| WrittenBody { inner: Some(inner), telling }))
    }
}

/// A request body that is passed on exactly (R14), and tells when all of it was taken. One without frames was, when
/// whoever sends it finds that out.
#[pin_project]
#[derive(Debug)]
pub struct WrittenBody<B> {
    /// `None` once it has ended.
    #[pin]
    inner: Option<B>,
    telling: Option<Telling>,
}

impl<B: Body> WrittenBody<B> {
    fn tell_if(&self, is_written: bool) {
        if let Some(telling) = self.telling.as_ref().filter(|_| is_written) {
            telling.written();
        }
    }
}

impl<B: Body> Body for WrittenBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.as_mut().project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.inner.set(None);
        }
        self.tell_if(frame.is_none());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let is_end = self.inner.as_ref().map(Body::is_end_stream);
        // Whoever asks this, and is told so, asks for no frame. One that has failed was not written.
        self.tell_if(is_end == Some(true));
        is_end != Some(false)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::assert_body_passes;

    // R14
    #[test]
    fn a_body_passes_exactly() {
        assert_body_passes(|inner| WrittenBody { inner: Some(inner), telling: None });
    }
}
