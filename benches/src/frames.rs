//! One frame of a body.

use std::hint::black_box;
use std::pin::pin;

use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::Work;
use crate::exchange::{answered, polled};
use crate::messages::Body;

/// One frame of the response body of a service, polled until it is there. The head was there before, and the
/// body is dropped afterwards.
pub(crate) fn frame<S, B>(mut service: S, request: Request<Body>) -> Work
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: HttpBody + Unpin + 'static,
{
    let mut response = answered(&mut service, request).and_then(Result::ok);
    let mut polls = 0_u8;
    Box::new(move || {
        if let Some(response) = response.as_mut().filter(|_| polls == 0) {
            polls += 1;
            let mut body = pin!(response.body_mut());
            drop(black_box(polled(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)))));
        }
    })
}

/// The same, through a layer around `service`.
pub(crate) fn frame_through<L, S, B>(layer: &L, service: S, request: Request<Body>) -> Work
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<B>>,
    B: HttpBody + Unpin + 'static,
{
    frame(layer.layer(service), request)
}
