//! Bodies: `tower_http`'s idle limit (`TimeoutBody`), its hard one (`DeadlineBody`), and ours, in both directions.

use super::compare;
use crate::testing::{BUDGET, MS, poll, poll_frame, trailers, within};
use crate::timer::tests::armed;
use crate::{EnforceLayer, Exceeded, WatchedBody};
use deadline_testkit::{BodyProbe, ScriptedBody, ScriptedError, Step};
use http::{Request, Response};
use http_body::{Body, Frame};
use std::any::type_name;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::coop;
use tokio::time::advance;
use tower::{BoxError, Layer, Service, service_fn};
use tower_http::timeout::{
    DeadlineBody, RequestBodyDeadlineLayer, RequestBodyTimeoutLayer, ResponseBodyDeadlineLayer,
    ResponseBodyTimeoutLayer, TimeoutBody, TimeoutError,
};

/// Who limits a body, and which way it goes.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Idle,
    Hard,
    Ours,
    /// The request's.
    OursIn,
}

struct Boxed<B>(Pin<Box<B>>);

impl<B: Body<Data = bytes::Bytes, Error: Into<BoxError>>> Body for Boxed<B> {
    type Data = bytes::Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.0.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

type Subject = Pin<Box<dyn Body<Data = bytes::Bytes, Error = BoxError>>>;

/// The body as its reader has it, with a head that took `head` to come.
async fn limited(limit: Limit, inner: ScriptedBody, head: Duration) -> Subject {
    match limit {
        Limit::Idle => answered(&ResponseBodyTimeoutLayer::new(BUDGET), inner, head).await,
        Limit::Hard => answered(&ResponseBodyDeadlineLayer::new(BUDGET), inner, head).await,
        Limit::Ours => answered(&EnforceLayer::new(), inner, head).await,
        Limit::OursIn => received(inner, head).await,
    }
}

/// Answers with a body after a while.
#[derive(Clone)]
struct Slow(Arc<Mutex<Option<ScriptedBody>>>, Duration);

impl<R> Service<R> for Slow {
    type Response = Response<ScriptedBody>;
    type Error = ScriptedError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ScriptedBody>, ScriptedError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ScriptedError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        let Self(body, delay) = self.clone();
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            let body = body.lock().unwrap().take();
            body.map(Response::new).ok_or(ScriptedError)
        })
    }
}

async fn answered<L, S, B>(layer: &L, inner: ScriptedBody, head: Duration) -> Subject
where
    L: Layer<Slow, Service = S>,
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = ScriptedError>,
    B: Body<Data = bytes::Bytes, Error: Into<BoxError>> + 'static,
{
    let mut service = layer.layer(Slow(Arc::new(Mutex::new(Some(inner))), head));
    let mut calling = Box::pin(service.call(within(BUDGET)));
    if !head.is_zero() {
        assert!(poll(calling.as_mut()).is_pending());
        advance(head).await;
    }
    let body = crate::testing::ready(poll(calling.as_mut())).into_body();
    Box::pin(Boxed(Box::pin(body)))
}

/// A request's body, as the handler has it after `head`.
async fn received(inner: ScriptedBody, head: Duration) -> Subject {
    let kept = Arc::new(Mutex::new(None));
    let body = Arc::clone(&kept);
    let handler = service_fn(move |request: Request<WatchedBody<ScriptedBody>>| {
        *body.lock().unwrap() = Some(request.into_body());
        ready(Ok::<_, ScriptedError>(Response::new(ScriptedBody::new([Step::Stall]))))
    });
    let mut request = within(BUDGET);
    *request.body_mut() = inner;
    let response = poll(crate::testing::call(&EnforceLayer::new().layer(handler), request).as_mut());
    // Held: the request goes on for as long as its response does.
    let response = crate::testing::ready(response).into_body();
    advance(head).await;
    let body = kept.lock().unwrap().take().unwrap();
    Box::pin(Boxed(Box::pin(Beside(body, response))))
}

/// A request body, beside the response that it belongs to.
struct Beside<A, B>(A, B);

impl<A: Body + Unpin, B: Unpin> Body for Beside<A, B> {
    type Data = A::Data;
    type Error = A::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

/// What there is now.
fn now(body: &mut Subject) -> String {
    match poll_frame(body) {
        Poll::Pending => "nothing".to_owned(),
        Poll::Ready(None) => "the end".to_owned(),
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => "the frame".to_owned(),
        Poll::Ready(Some(Ok(_))) => "the trailers".to_owned(),
        Poll::Ready(Some(Err(_))) => "an error".to_owned(),
    }
}

/// A body with a frame that is ready at `instant`, and waited for from the beginning.
async fn frame_at(limit: Limit, instant: Duration) -> String {
    let mut body = limited(limit, ScriptedBody::new([Step::Wait, Step::Data("frame")]), Duration::ZERO).await;
    assert_eq!(now(&mut body), "nothing");
    advance(instant).await;
    now(&mut body)
}

/// A frame every 200 ms: when it ends.
async fn trickle(limit: Limit) -> String {
    let steps = (0..5).flat_map(|_| [Step::Wait, Step::Data("frame")]);
    let mut body = limited(limit, ScriptedBody::new(steps), Duration::ZERO).await;
    for _ in 0..5 {
        assert_eq!(now(&mut body), "nothing");
        advance(200 * MS).await;
        if now(&mut body) == "an error" {
            return "an error".to_owned();
        }
    }
    "goes on".to_owned()
}

/// The head takes 200 ms, the body is asked for 50 ms later: when it ends, counted from the arrival.
async fn counts_from(limit: Limit) -> String {
    let mut body = limited(limit, ScriptedBody::new([Step::Stall]), 200 * MS).await;
    advance(50 * MS).await;
    for passed in (250..1_000).step_by(50) {
        if now(&mut body) != "nothing" {
            return format!("ends at {passed} ms");
        }
        advance(50 * MS).await;
    }
    "never ends".to_owned()
}

async fn size_hint(limit: Limit) -> String {
    let body = limited(limit, ScriptedBody::full("orders"), Duration::ZERO).await;
    if body.size_hint().exact() == Some(6) { "passed" } else { "lost" }.to_owned()
}

async fn end_of_stream(limit: Limit) -> String {
    let body = limited(limit, ScriptedBody::full(""), Duration::ZERO).await;
    if body.is_end_stream() { "passed" } else { "lost" }.to_owned()
}

async fn with_trailers(limit: Limit) -> String {
    let steps = [Step::Trailers(trailers("x-sum", "1"))];
    now(&mut limited(limit, ScriptedBody::new(steps), Duration::ZERO).await)
}

/// A body that is stopped, and what is known of the inner one.
async fn stopped(limit: Limit) -> (Subject, BodyProbe, BoxError) {
    let inner = ScriptedBody::new([Step::Stall]);
    let probe = inner.probe();
    let mut body = limited(limit, inner, Duration::ZERO).await;
    assert_eq!(now(&mut body), "nothing");
    advance(BUDGET).await;
    let error = crate::testing::error(&mut body);
    (body, probe, error)
}

async fn after_the_error(limit: Limit) -> String {
    let (mut body, ..) = stopped(limit).await;
    now(&mut body)
}

async fn inner_after_the_error(limit: Limit) -> String {
    let (_body, probe, _) = stopped(limit).await;
    if probe.is_dropped() { "dropped" } else { "kept" }.to_owned()
}

async fn told(limit: Limit) -> String {
    let (_, _, error) = stopped(limit).await;
    match Exceeded::find(&*error) {
        Some(_) => "stage, cause and origin",
        None if error.is::<TimeoutError>() => "that it was late",
        None => "another error",
    }
    .to_owned()
}

/// A body that ended in time, asked once more when the limit has passed.
async fn after_the_end(limit: Limit) -> String {
    let mut body = limited(limit, ScriptedBody::new([Step::Data("frame")]), Duration::ZERO).await;
    assert_eq!((now(&mut body), now(&mut body)), ("the frame".to_owned(), "the end".to_owned()));
    advance(BUDGET).await;
    now(&mut body)
}

/// Polled after the limit, by a task that has used up its cooperative budget.
async fn budget_used_up(limit: Limit) -> String {
    let steps = [Step::Wait, Step::Wait, Step::Data("frame")];
    let mut body = limited(limit, ScriptedBody::new(steps), Duration::ZERO).await;
    assert_eq!(now(&mut body), "nothing");
    advance(BUDGET).await;
    while let Poll::Ready(progress) = coop::poll_proceed(&mut Context::from_waker(Waker::noop())) {
        progress.made_progress();
    }
    let first = now(&mut body);
    let seen = if first == "nothing" { now(&mut body) } else { first };
    tokio::task::yield_now().await;
    seen
}

/// Runs a scenario for each of them; our two directions look the same.
macro_rules! seen {
    ($scenario:ident($($argument:expr),*)) => {{
        let ours = $scenario(Limit::Ours $(, $argument)*).await;
        assert_eq!($scenario(Limit::OursIn $(, $argument)*).await, ours, "{}", stringify!($scenario));
        [$scenario(Limit::Idle $(, $argument)*).await, $scenario(Limit::Hard $(, $argument)*).await, ours]
    }};
}

#[tokio::test(start_paused = true)]
async fn what_differs_in_a_body_is_what_the_front_page_says() {
    compare(
        "in a body",
        &[
            ("frame 1 ms before the limit", seen!(frame_at(BUDGET - MS))),
            ("frame at the very instant", seen!(frame_at(BUDGET))),
            ("a frame every 200 ms, limit of 300 ms", seen!(trickle())),
            ("head after 200 ms, read 50 ms later, limit of 300 ms", seen!(counts_from())),
            ("size hint", seen!(size_hint())),
            ("`is_end_stream`", seen!(end_of_stream())),
            ("trailers", seen!(with_trailers())),
            ("what the error tells", seen!(told())),
            ("after the error", seen!(after_the_error())),
            ("inner body after the error", seen!(inner_after_the_error())),
            ("after the end, once the limit has passed", seen!(after_the_end())),
            ("late frame, in a task without cooperative budget left", seen!(budget_used_up())),
        ],
    );
    assert_eq!(armed(), 0);
}

/// What holds for `tower_http`'s response bodies holds for its request bodies: they are of the same types.
#[test]
fn the_peers_limit_both_directions_by_the_same_bodies() {
    fn body<B, S: Service<Request<B>>>(_: S) -> &'static str {
        type_name::<B>()
    }
    fn handler<B>() -> impl Service<Request<B>, Response = (), Error = ScriptedError> {
        service_fn(|_: Request<B>| ready(Ok(())))
    }
    body::<ScriptedBody, _>(RequestBodyTimeoutLayer::new(BUDGET).layer(handler::<TimeoutBody<ScriptedBody>>()));
    body::<ScriptedBody, _>(RequestBodyDeadlineLayer::new(BUDGET).layer(handler::<DeadlineBody<ScriptedBody>>()));
}
