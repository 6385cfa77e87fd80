//! One request through a service.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower_deadline::StandingTimer;
use tower_layer::Layer;
use tower_service::Service;

use crate::Work;
use crate::messages::Body;

/// One request through `service`: ready, called, polled until the head is there, and everything dropped.
pub(crate) fn exchange<S, B>(mut service: S, request: Request<Body>) -> Work
where
    S: Service<Request<Body>, Response = Response<B>> + 'static,
{
    let mut request = Some(request);
    Box::new(move || {
        if let Some(request) = request.take() {
            let response = answered(&mut service, request);
            drop(black_box(response));
        }
    })
}

/// The same, through a layer around `service`.
pub(crate) fn through<L, S, B>(layer: &L, service: S, request: Request<Body>) -> Work
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<B>> + 'static,
{
    exchange(layer.layer(service), request)
}

/// The same in a task with a timer that stands, by another such request before.
pub(crate) fn standing(mut before: Work, mut work: Work) -> Work {
    let mut timer = StandingTimer::default();
    let mut poll = move |work: &mut Work| timer.poll(&mut Context::from_waker(Waker::noop()), |_| work());
    poll(&mut before);
    Box::new(move || poll(&mut work))
}

/// The outcome of a service that is ready; `None` where it is not.
pub(crate) fn answered<S, R>(service: &mut S, request: R) -> Option<Result<S::Response, S::Error>>
where
    S: Service<R>,
{
    let mut cx = Context::from_waker(Waker::noop());
    match service.poll_ready(&mut cx) {
        Poll::Ready(Ok(())) => Some(polled(service.call(request))),
        Poll::Ready(Err(error)) => Some(Err(error)),
        Poll::Pending => None,
    }
}

/// Polls a future until it is ready, without waiting: for what is pending once.
pub(crate) fn polled<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}
