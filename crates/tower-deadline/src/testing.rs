//! What the unit tests share: one unit of time, polls by hand, and requests with a deadline.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use deadline_testkit::{ScriptedBody, Step};
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame};
use http_deadline::{Deadline, Exceeded, Journey, Policy, Stage};
use tokio::task::JoinHandle;
use tower::{ServiceExt, util::Oneshot};
use tower_service::Service;

use crate::now;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// The budget of the requests here.
pub(crate) const BUDGET: Duration = Duration::from_millis(300);

/// What a body yields.
pub(crate) type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

/// Polls once, with a waker that wakes nobody.
pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn poll_frame<B: Body + Unpin>(body: &mut B) -> Poll<Polled<B>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// The data of a frame that has to be there now.
#[track_caller]
pub(crate) fn data<B>(body: &mut B) -> Bytes
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    match poll_frame(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("no data: {other:?}"),
    }
}

/// The error that a body has to yield now.
#[track_caller]
pub(crate) fn error<B>(body: &mut B) -> B::Error
where
    B: Body<Data: std::fmt::Debug, Error: std::fmt::Debug> + Unpin,
{
    match poll_frame(body) {
        Poll::Ready(Some(Err(error))) => error,
        other => panic!("no error: {other:?}"),
    }
}

/// Whether a body is at its end.
pub(crate) fn is_at_end<B: Body + Unpin>(body: &mut B) -> bool {
    matches!(poll_frame(body), Poll::Ready(None))
}

/// A request without a body and without a deadline.
pub(crate) fn plain() -> Request<ScriptedBody> {
    Request::new(ScriptedBody::full(""))
}

/// A request with this budget, which runs from now.
pub(crate) fn within(budget: Duration) -> Request<ScriptedBody> {
    let mut request = plain();
    request.extensions_mut().insert(Deadline::after(now(), budget));
    request
}

/// A request of this policy; `client_asked` as in R18.
pub(crate) fn under(policy: Policy, client_asked: bool) -> Request<ScriptedBody> {
    let mut request = within(BUDGET);
    request.extensions_mut().insert(Journey::new(policy.into(), client_asked));
    request
}

/// A request whose client wrote this timeout.
pub(crate) fn asking(timeout: &'static str) -> Request<ScriptedBody> {
    let mut request = plain();
    request.headers_mut().insert("x-request-timeout", timeout.parse().unwrap());
    request
}

/// The journey of a request made by [`under`].
#[track_caller]
pub(crate) fn journey<B>(request: &Request<B>) -> Journey {
    request.extensions().get().cloned().expect("a journey")
}

pub(crate) fn over_http2(mut request: Request<ScriptedBody>) -> Request<ScriptedBody> {
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A response of this content type, whose body plays these steps.
pub(crate) fn response(content_type: &'static str, steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new(steps));
    response.headers_mut().insert("content-type", content_type.parse().unwrap());
    response
}

pub(crate) fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
}

/// A call on the heap, to be polled by hand.
pub(crate) fn call<S: Service<R> + Clone, R>(service: &S, request: R) -> Pin<Box<Oneshot<S, R>>> {
    Box::pin(service.clone().oneshot(request))
}

/// Why the response is not the handler's own.
#[track_caller]
pub(crate) fn exceeded<B>(response: &Response<B>) -> &Exceeded {
    response.extensions().get().expect("the handler's own response")
}

/// The stage that a response reports, which has to be there now.
#[track_caller]
pub(crate) fn stage<B, E: std::fmt::Debug>(polled: Poll<Result<Response<B>, E>>) -> Stage {
    match polled {
        Poll::Ready(Ok(response)) => exceeded(&response).stage(),
        Poll::Ready(Err(error)) => panic!("{error:?}"),
        Poll::Pending => panic!("still pending"),
    }
}

/// The response that has to be there now.
#[track_caller]
pub(crate) fn ready<T, E: std::fmt::Debug>(polled: Poll<Result<T, E>>) -> T {
    match polled {
        Poll::Ready(outcome) => outcome.unwrap(),
        Poll::Pending => panic!("still pending"),
    }
}

/// The value of a task that has to be done now.
pub(crate) async fn finished<T>(task: JoinHandle<T>) -> T {
    settle().await;
    assert!(task.is_finished(), "still running");
    task.await.unwrap()
}

/// Lets the other tasks run.
pub(crate) async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}
