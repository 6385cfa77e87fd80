//! From the call to the response head.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_deadline::{Exceeded, Stage, StageGuard};
use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::EnforcedBody;
use super::custody::Custody;
use super::deliver::{Asking, Reached};
use crate::WatchedBody;

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
    Queue {
        inner: S,
        request: Option<R>,
        open: Option<StageGuard>,
    },
    Head(#[pin] F),
    Done,
}

impl<S, RB, B> EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
{
    pub(super) fn new(mut inner: S, ready: bool, request: Request<WatchedBody<RB>>, mut custody: Custody) -> Self {
        let asking =
            Asking { is_head: request.method() == Method::HEAD, is_http2: request.version() >= Version::HTTP_2 };
        // R10: not called once expired; the first poll answers.
        let expired = custody.expired().is_some();
        let state = if ready && !expired {
            State::Head(custody.run(|| inner.call(request)))
        } else {
            let open = (!expired).then(|| custody.journey().enter(Stage::Queue));
            State::Queue { inner, request: Some(request), open }
        };
        Self { state, custody: Some(custody), asking }
    }
}

impl<S, RB, B> Future for EnforceFuture<S, RB>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<EnforcedBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(custody) = this.custody.as_mut() else {
            return Poll::Pending;
        };
        let late = this.state.is_queued() && custody.expired().is_some();
        let polled = if late { Poll::Pending } else { poll_inner(this.state.as_mut(), custody, cx) };
        // R11: value before timer.
        let reached = match polled {
            Poll::Ready(head) => head.map(|head| this.asking.reached(head, custody, cx)),
            Poll::Pending => {
                let deadline = ready!(custody.poll_expired(cx));
                Ok(Reached::Late(custody.stop(deadline, this.state.stage())))
            }
        };
        custody.run(|| this.state.set(State::Done));
        let Some(custody) = this.custody.take() else {
            return Poll::Pending;
        };
        Poll::Ready(reached.map(|reached| match reached {
            Reached::Head(head) => this.asking.deliver(head, custody),
            Reached::Whole(whole) => whole.map(EnforcedBody::settled),
            Reached::Late(exceeded) => bare(exceeded, custody.journey().policy().status_code()),
        }))
    }
}

type Polled<B, E> = Poll<Result<Response<B>, E>>;

fn poll_inner<S, R, B>(
    mut state: Pin<&mut State<S, R, S::Future>>,
    custody: &mut Custody,
    cx: &mut Context<'_>,
) -> Polled<B, S::Error>
where
    S: Service<R, Response = Response<B>>,
{
    if let StateProjection::Queue { inner, request, open } = state.as_mut().project() {
        ready!(custody.run(|| inner.poll_ready(cx)))?;
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
        StateProjection::Head(head) => custody.run(|| head.poll(cx)),
        StateProjection::Queue { .. } | StateProjection::Done => Poll::Pending,
    }
}

/// The bare answer to a request whose deadline passed before its head.
fn bare<B: Body>(exceeded: Exceeded, status: StatusCode) -> Response<EnforcedBody<B>> {
    let mut response = Response::new(EnforcedBody::default());
    *response.status_mut() = status;
    response.extensions_mut().insert(exceeded);
    response
}

impl<S, R, F> State<S, R, F> {
    fn is_queued(&self) -> bool {
        matches!(self, Self::Queue { .. })
    }

    /// Where the request is, if nothing within it says more.
    fn stage(&self) -> Stage {
        match self {
            Self::Queue { open: None, .. } => Stage::Arrival,
            Self::Queue { .. } => Stage::Queue,
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
            custody.abandon();
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
