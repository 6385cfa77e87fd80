//! From the call to the response head.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_deadline::{Deadline, Exceeded, Stage, StageGuard, Statuses};
use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::EnforcedBody;
use super::custody::Custody;
use super::deliver::Asking;
use super::placed::Placed;
use super::settle::settle;
use crate::WatchedBody;
use crate::watch::Watch;

/// The response of [`Enforce`](super::Enforce). Dropping it drops the inner future, and ends what was spawned
/// within the request.
#[pin_project(PinnedDrop)]
pub struct EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    #[pin]
    state: State<S, Request<WatchedBody<RB>>, S::Future>,
    /// `None` once it was handed on.
    custody: Option<Custody>,
    asking: Asking,
}

#[pin_project(project = StateProjection)]
enum State<S, R, F> {
    /// The inner service is not ready, or the request came too late. The request is `None` only in the moment
    /// of its call.
    Queue(Box<Queued<S, R>>),
    Head(#[pin] F),
    Done,
}

/// Boxed: the future is moved through every layer further out, and a request that waits here is the rare one.
struct Queued<S, R> {
    inner: S,
    request: Option<R>,
    open: Option<StageGuard>,
}

impl<S, RB, B> EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
{
    #[inline(always)]
    pub(crate) fn new(inner: Placed<S>, request: Request<RB>, mut custody: Custody, late: bool) -> Self {
        let Placed { service: mut inner, ready } = inner;
        let asking = Asking::of(&request);
        let request = watched(request, &custody);
        // R10: not called once expired; the first poll answers.
        let state = if ready && !late {
            // No closure: the request would be moved into it.
            let working = custody.begin(None);
            let head = inner.call(request);
            working.done();
            State::Head(head)
        } else {
            let open = if late { None } else { custody.enter(Stage::Queue) };
            State::Queue(Box::new(Queued { inner, request: Some(request), open }))
        };
        Self { state, custody: Some(custody), asking }
    }
}

/// With its body under the deadline.
#[inline(always)]
fn watched<RB>(request: Request<RB>, custody: &Custody) -> Request<WatchedBody<RB>> {
    let journey = custody.journey().cloned();
    let (watch, journey) = match custody.inherited() {
        Some(deadline) => (Some(Watch::new(deadline, journey)), None),
        None => (None, journey),
    };
    request.map(|body| WatchedBody::new(body, watch, journey, Stage::RequestBody))
}

impl<S, RB, B> Future for EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<EnforcedBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_as(cx, |_| None, |body| body)
    }
}

impl<S, RB, B> EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
    B: Body,
{
    /// As a poll, with the body in what a layer further out puts it into: a response is moved once. `find` is what an
    /// error of the inner service tells of a deadline.
    #[inline(always)]
    pub(crate) fn poll_as<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        find: impl FnOnce(&S::Error) -> Option<&Exceeded>,
        wrap: impl FnOnce(EnforcedBody<B>) -> T,
    ) -> Poll<Result<Response<T>, S::Error>> {
        let mut this = self.as_mut().project();
        let Some(custody) = this.custody.as_mut() else {
            return Poll::Pending;
        };
        custody.observe(this.state.stage());
        let late = this.state.is_queued() && custody.expired().is_some();
        let polled = if late { Poll::Pending } else { poll_inner(this.state.as_mut(), custody, cx) };
        if polled.is_pending() {
            custody.observe_pending(this.state.stage());
        }
        let late = match &polled {
            // R11: value before timer.
            Poll::Ready(head) => head.as_ref().ok().and_then(|head| this.asking.late(head, custody)),
            Poll::Pending => Some(ready!(custody.poll_expired(cx))),
        };
        if let Some(deadline) = late {
            return Poll::Ready(Ok(self.stop(polled, deadline, cx).map(wrap)));
        }
        custody.run(|| this.state.set(State::Done));
        match polled {
            Poll::Ready(Ok(head)) => {
                let Some(custody) = this.custody.take() else { return Poll::Pending };
                Poll::Ready(Ok(this.asking.deliver(head, custody, wrap)))
            }
            Poll::Ready(Err(error)) => {
                find(&error).into_iter().for_each(|exceeded| custody.told(exceeded));
                *this.custody = None;
                Poll::Ready(Err(error))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The deadline has passed, and what was polled came too late, if it came.
    #[cold]
    fn stop(
        self: Pin<&mut Self>,
        polled: Polled<B, S::Error>,
        deadline: Deadline,
        cx: &mut Context<'_>,
    ) -> Response<EnforcedBody<B>> {
        let mut this = self.project();
        let stage = this.state.stage();
        let Some(custody) = this.custody.as_mut() else {
            return Response::new(EnforcedBody::default());
        };
        let settled = match polled {
            Poll::Ready(Ok(head)) => settle(head, custody, deadline, cx),
            _ => Err(custody.stop(deadline, stage)),
        };
        custody.run(|| this.state.set(State::Done));
        let statuses = custody.statuses();
        *this.custody = None;
        settled.map_or_else(|exceeded| bare(exceeded, statuses), |whole| whole.map(EnforcedBody::settled))
    }
}

type Polled<B, E> = Poll<Result<Response<B>, E>>;

#[inline(always)]
fn poll_inner<S, R, B>(
    mut state: Pin<&mut State<S, R, S::Future>>,
    custody: &mut Custody,
    cx: &mut Context<'_>,
) -> Polled<B, S::Error>
where
    S: Service<R, Response = Response<B>>,
{
    if let StateProjection::Queue(queued) = state.as_mut().project() {
        let Queued { inner, request, open } = &mut **queued;
        ready!(custody.poll(cx, |cx| inner.poll_ready(cx)))?;
        // R10: what became ready too late is not called.
        if custody.expired().is_some() {
            return Poll::Pending;
        }
        *open = None;
        let Some(request) = request.take() else {
            return Poll::Pending;
        };
        let head = custody.run(|| inner.call(request));
        state.set(State::Head(head));
    }
    match state.project() {
        StateProjection::Head(head) => {
            let working = custody.begin(Some(cx.waker()));
            let head = head.poll(cx);
            working.done();
            head
        }
        StateProjection::Queue(_) | StateProjection::Done => Poll::Pending,
    }
}

/// The bare answer to a request whose deadline passed before its head.
fn bare<B: Body>(exceeded: Exceeded, statuses: Statuses) -> Response<EnforcedBody<B>> {
    let mut response = Response::new(EnforcedBody::default());
    *response.status_mut() = statuses.of(&exceeded);
    response.extensions_mut().insert(exceeded);
    response
}

impl<S, R, F> State<S, R, F> {
    fn is_queued(&self) -> bool {
        matches!(self, Self::Queue(_))
    }

    /// Where the request is, if nothing within it says more.
    fn stage(&self) -> Stage {
        match self {
            Self::Queue(queued) if queued.open.is_none() => Stage::Arrival,
            Self::Queue(_) => Stage::Queue,
            Self::Head(_) | Self::Done => Stage::Handler,
        }
    }
}

#[pinned_drop]
impl<S, RB> PinnedDrop for EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(custody) = this.custody {
            custody.abandon(this.state.stage());
            custody.run(|| this.state.set(State::Done));
        }
    }
}

impl<S, RB> fmt::Debug for EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnforceFuture").field("custody", &self.custody).finish_non_exhaustive()
    }
}
