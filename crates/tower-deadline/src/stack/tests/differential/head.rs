//! From the call to the response head: `tower::timeout::Timeout`, `tower_http::timeout::Timeout`, ours.

use super::{Peer, compare};
use crate::testing::{BUDGET, MS, asking, call as oneshot, plain, poll, poll_frame};
use crate::timer::tests::armed;
use crate::{DeadlineLayer, Exceeded, Policy};
use deadline_testkit::{Gate, InnerService, ScriptedBody, ScriptedError, Step};
use http::{Request, Response, StatusCode};
use http_body::Body;
use std::any::TypeId;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::coop;
use tokio::time::{advance, sleep};
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, Service};

/// A call that is not let go of at its end, and that tells what became of it.
type Call = Pin<Box<dyn Future<Output = &'static str>>>;

struct Kept<F: Future> {
    inner: Pin<Box<F>>,
    tell: fn(F::Output) -> &'static str,
}

impl<F: Future> Future for Kept<F> {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        let tell = self.tell;
        self.inner.as_mut().poll(cx).map(tell)
    }
}

/// Calls `inner` behind a peer with this limit, if it says that it is ready.
fn call(peer: Peer, limit: Duration, inner: InnerService) -> Option<Call> {
    match peer {
        Peer::Tower => start(tower(limit).layer(inner), plain(), tell_tower),
        Peer::TowerHttp => start(tower_http(limit).layer(inner), plain(), tell_tower_http),
        Peer::Ours => start(ours(limit).layer(inner), plain(), tell_ours),
    }
}

fn tower(limit: Duration) -> tower::timeout::TimeoutLayer {
    tower::timeout::TimeoutLayer::new(limit)
}

fn tower_http(limit: Duration) -> tower_http::timeout::TimeoutLayer {
    tower_http::timeout::TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit)
}

fn ours(limit: Duration) -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().default_timeout(limit))
}

fn start<S>(mut service: S, request: Request<ScriptedBody>, tell: fn(Told<S>) -> &'static str) -> Option<Call>
where
    S: Service<Request<ScriptedBody>, Future: 'static> + 'static,
{
    let ready = poll(Box::pin(poll_fn(|cx| service.poll_ready(cx))).as_mut());
    ready.is_ready().then(|| Box::pin(Kept { inner: Box::pin(service.call(request)), tell }) as Call)
}

type Told<S> = Result<<S as Service<Request<ScriptedBody>>>::Response, <S as Service<Request<ScriptedBody>>>::Error>;

fn tell_tower(outcome: Result<Response<ScriptedBody>, BoxError>) -> &'static str {
    match outcome {
        Ok(_) => "delivered",
        Err(error) if error.is::<Elapsed>() => "an error",
        Err(_) => "the inner error",
    }
}

fn tell_tower_http(outcome: Result<Response<ScriptedBody>, ScriptedError>) -> &'static str {
    match outcome {
        Ok(response) if response.status().is_success() => "delivered",
        Ok(response) if response.body().is_end_stream() => "an empty response",
        Ok(_) => "a response",
        Err(_) => "the inner error",
    }
}

fn tell_ours<B: Body>(outcome: Result<Response<B>, ScriptedError>) -> &'static str {
    match outcome {
        Ok(response) if response.extensions().get::<Exceeded>().is_none() => "delivered",
        Ok(response) if response.body().is_end_stream() => "an empty response",
        Ok(_) => "a response that tells why",
        Err(_) => "the inner error",
    }
}

/// What there is now.
fn now(call: &mut Option<Call>) -> &'static str {
    match call.as_mut().map(|call| poll(Pin::new(call))) {
        None => "not called",
        Some(Poll::Pending) => "nothing",
        Some(Poll::Ready(told)) => told,
    }
}

/// Answers after this time.
fn after(delay: Duration) -> InnerService {
    InnerService::new(move || async move {
        sleep(delay).await;
        Ok(Response::new(ScriptedBody::full("in time")))
    })
}

async fn ready_at(peer: Peer, instant: Duration) -> String {
    let mut call = call(peer, BUDGET, after(instant));
    assert_eq!(now(&mut call), "nothing");
    advance(instant).await;
    now(&mut call).to_owned()
}

async fn silent(peer: Peer) -> String {
    let mut call = call(peer, BUDGET, InnerService::silent());
    assert_eq!(now(&mut call), "nothing");
    advance(BUDGET - MS).await;
    assert_eq!(now(&mut call), "nothing");
    advance(MS).await;
    now(&mut call).to_owned()
}

async fn inner_at_the_limit(peer: Peer) -> String {
    let inner = InnerService::silent();
    let record = inner.record();
    let mut call = call(peer, BUDGET, inner);
    assert_eq!(now(&mut call), "nothing");
    advance(BUDGET).await;
    assert_ne!(now(&mut call), "nothing");
    let kept = record.calls().held();
    drop(call);
    assert_eq!(record.calls().held(), 0);
    if kept == 0 { "dropped" } else { "kept" }.to_owned()
}

async fn polled_again(peer: Peer) -> String {
    let mut call = call(peer, BUDGET, InnerService::silent());
    assert_eq!(now(&mut call), "nothing");
    advance(BUDGET).await;
    let first = now(&mut call);
    let second = now(&mut call);
    if first == second { "the same again" } else { second }.to_owned()
}

/// The inner future uses up the cooperative budget of each poll, and nothing else wakes the task.
async fn budget_used_up(peer: Peer) -> String {
    let busy = InnerService::new(|| {
        poll_fn(|_| {
            while let Poll::Ready(progress) = coop::poll_proceed(&mut Context::from_waker(Waker::noop())) {
                progress.made_progress();
            }
            Poll::Pending
        })
    });
    let mut call = call(peer, BUDGET, busy);
    assert_eq!(now(&mut call), "nothing");
    advance(BUDGET).await;
    let seen = if now(&mut call) == "nothing" { "runs on" } else { "stopped" };
    // The budget is that of this test's task, which needs it.
    tokio::task::yield_now().await;
    seen.to_owned()
}

async fn not_ready(peer: Peer) -> String {
    let inner = InnerService::silent().behind(&Gate::closed());
    let mut call = call(peer, BUDGET, inner);
    let told = now(&mut call);
    advance(2 * BUDGET).await;
    let later = now(&mut call);
    if told == "not called" {
        "waits on"
    } else {
        assert_ne!(later, "nothing");
        "stopped"
    }
    .to_owned()
}

async fn stalling_body(peer: Peer) -> String {
    async fn stalls<B: Body>(outcome: Poll<Result<Response<B>, impl std::fmt::Debug>>) -> String {
        let Poll::Ready(outcome) = outcome else { panic!("no head") };
        let mut body = Box::pin(outcome.unwrap().into_body());
        assert!(poll_frame(&mut body).is_pending());
        advance(BUDGET).await;
        let frame = poll_frame(&mut body);
        if frame.is_pending() { "waits on" } else { "ends with an error" }.to_owned()
    }
    let inner = InnerService::answering([Step::Stall]);
    match peer {
        Peer::Tower => stalls(poll(oneshot(&tower(BUDGET).layer(inner), plain()).as_mut())).await,
        Peer::TowerHttp => stalls(poll(oneshot(&tower_http(BUDGET).layer(inner), plain()).as_mut())).await,
        Peer::Ours => stalls(poll(oneshot(&ours(BUDGET).layer(inner), plain()).as_mut())).await,
    }
}

async fn zero(peer: Peer) -> String {
    let inner = InnerService::answering([]);
    let record = inner.record();
    let told = now(&mut call(peer, Duration::ZERO, inner));
    match (told, record.calls().called()) {
        ("delivered", _) => "delivered",
        (_, 0) => "not called",
        (_, _) => "called, and its answer lost",
    }
    .to_owned()
}

async fn huge(peer: Peer) -> String {
    let mut call = call(peer, Duration::MAX, InnerService::silent());
    assert_eq!(now(&mut call), "nothing");
    advance(Duration::from_secs(365 * 86_400)).await;
    if now(&mut call) == "nothing" { "no limit" } else { "stopped" }.to_owned()
}

/// The client wants an answer in less time than the limit.
async fn asked(peer: Peer) -> String {
    let (inner, limit, request) = (InnerService::silent(), BUDGET, asking("100ms"));
    let mut call = match peer {
        Peer::Tower => start(tower(limit).layer(inner), request, tell_tower),
        Peer::TowerHttp => start(tower_http(limit).layer(inner), request, tell_tower_http),
        Peer::Ours => start(ours(limit).layer(inner), request, tell_ours),
    };
    assert_eq!(now(&mut call), "nothing");
    advance(100 * MS).await;
    if now(&mut call) == "nothing" { "not looked at" } else { "kept to" }.to_owned()
}

fn error_type(peer: Peer) -> String {
    fn of<S: Service<Request<ScriptedBody>, Error: 'static>>(_: S) -> TypeId {
        TypeId::of::<S::Error>()
    }
    let inner = InnerService::silent();
    let error = match peer {
        Peer::Tower => of(tower(BUDGET).layer(inner)),
        Peer::TowerHttp => of(tower_http(BUDGET).layer(inner)),
        Peer::Ours => of(ours(BUDGET).layer(inner)),
    };
    if error == TypeId::of::<ScriptedError>() { "kept" } else { "boxed" }.to_owned()
}

/// Runs a scenario for each peer, one after the other.
macro_rules! seen {
    ($scenario:ident($($argument:expr),*)) => {
        [
            $scenario(Peer::Tower $(, $argument)*).await,
            $scenario(Peer::TowerHttp $(, $argument)*).await,
            $scenario(Peer::Ours $(, $argument)*).await,
        ]
    };
}

#[tokio::test(start_paused = true)]
async fn what_differs_before_the_head_is_what_the_front_page_says() {
    compare(
        "before the head",
        &[
            ("head ready 1 ms before the limit", seen!(ready_at(BUDGET - MS))),
            ("head ready at the very instant", seen!(ready_at(BUDGET))),
            ("no head at the limit", seen!(silent())),
            ("error type of the inner service", [Peer::Tower, Peer::TowerHttp, Peer::Ours].map(error_type)),
            ("inner future at the limit, while the outer one is held", seen!(inner_at_the_limit())),
            ("outer future, polled again", seen!(polled_again())),
            ("inner future uses up tokio's cooperative budget", seen!(budget_used_up())),
            ("inner service is not ready", seen!(not_ready())),
            ("response body stalls", seen!(stalling_body())),
            ("limit of zero", seen!(zero())),
            ("limit of `Duration::MAX`", seen!(huge())),
            ("client asks for less", seen!(asked())),
        ],
    );
    assert_eq!(armed(), 0);
}
