//! Letting go of an upstream from outside (R13b).
//!
//! hyper does not poll a response body while its peer does not read, so a body cannot end itself. Covers a
//! watcher for each body that a deadline covers: at the deadline it takes the inner body out and drops it, and
//! the exchange with the upstream with it. The connection of a client that goes on not reading is closed by the
//! listener's limit on write stalls; over HTTP/2, where a window that stays shut is no such stall, by the watcher.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::{sleep_until, timeout};
use tower::{Layer, Service};
use tower_deadline::{BodyError, Deadline, Journey, Stage, StageGuard};

use crate::limits::Hangup;

#[derive(Clone, Copy, Debug)]
pub(super) struct StallLayer {
    /// How long a client may take nothing after the deadline, until its connection is closed.
    limit: Duration,
}

impl StallLayer {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for StallLayer {
    type Service = Stall<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stall { inner, limit: self.limit }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Stall<S> {
    inner: S,
    limit: Duration,
}

impl<S, RB, B> Service<Request<RB>> for Stall<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
    B: Body + Send + Unpin + 'static,
{
    type Response = Response<StallBody<B>>;
    type Error = S::Error;
    type Future = StallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let journey = request.extensions().get().cloned();
        let hangup = request.extensions().get().cloned().map(|hangup| Stalled { hangup, limit: self.limit });
        StallFuture { inner: self.inner.call(request), journey, hangup }
    }
}

/// What is closed, and when, if its peer takes nothing.
#[derive(Clone, Debug)]
struct Stalled {
    hangup: Hangup,
    limit: Duration,
}

#[pin_project]
pub(super) struct StallFuture<F> {
    #[pin]
    inner: F,
    journey: Option<Journey>,
    hangup: Option<Stalled>,
}

impl<F, B, E> Future for StallFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + Send + Unpin + 'static,
{
    type Output = Result<Response<StallBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let (journey, hangup) = (this.journey.take(), this.hangup.take());
        Poll::Ready(Ok(response.map(|body| StallBody::new(body, journey, hangup))))
    }
}

/// A body that somebody else can take the inner one out of.
pub(super) struct StallBody<B>(Arc<Mutex<Kept<B>>>);

/// What there is of a body.
enum Kept<B> {
    Whole(B),
    /// The stage that was open stays so: whoever owns the request tells of it, now or later.
    LetGo {
        _open: Option<StageGuard>,
    },
}

impl<B> Kept<B> {
    fn whole(&self) -> Option<&B> {
        match self {
            Self::Whole(inner) => Some(inner),
            Self::LetGo { .. } => None,
        }
    }
}

impl<B: Body + Send + 'static> StallBody<B> {
    fn new(inner: B, journey: Option<Journey>, hangup: Option<Stalled>) -> Self {
        let is_open = !inner.is_end_stream();
        let body = Self(Arc::new(Mutex::new(Kept::Whole(inner))));
        let watched = journey.and_then(|journey| Some((journey.enforced()?.1, journey.clone())));
        if let Some((deadline, journey)) = watched.filter(|_| is_open) {
            tokio::spawn(watch(deadline, journey, Arc::clone(&body.0), hangup));
        }
        body
    }
}

/// Ends with the journey, or at the deadline with the body, and later with the connection. Does nothing where the
/// deadline has ceased to count (R18).
async fn watch<B>(deadline: Deadline, journey: Journey, body: Arc<Mutex<Kept<B>>>, hangup: Option<Stalled>) {
    tokio::select! {
        () = journey.ended() => return,
        () = sleep_until(deadline.instant().into()) => {}
    }
    if journey.is_released() {
        return;
    }
    let stage = Some(journey.stage()).filter(|stage| *stage != Stage::Handler);
    let let_go = Kept::LetGo { _open: stage.map(|stage| journey.enter(stage)) };
    let inner = std::mem::replace(&mut *lock(&body), let_go);
    // Dropped without the lock.
    drop(inner);
    // A window that stays shut is no write that stalls: nothing but this ends the stream.
    let Some(Stalled { hangup, limit }) = hangup else { return };
    if timeout(limit, journey.ended()).await.is_err() {
        hangup.now();
    }
}

fn lock<B>(body: &Mutex<Kept<B>>) -> MutexGuard<'_, Kept<B>> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Body for StallBody<B>
where
    B: Body<Error = BodyError> + Unpin,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *lock(&self.0) {
            Kept::Whole(inner) => Pin::new(inner).poll_frame(cx),
            // Let go of at the deadline, which the enforcing body outside sees first: it does not poll again.
            Kept::LetGo { .. } => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).whole().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).whole().map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use deadline_testkit::{ScriptedBody, Step};
    use futures_util::FutureExt;
    use http_body_util::{BodyExt, Empty};
    use std::convert::Infallible;
    use tokio::task::yield_now;
    use tokio::time::advance;
    use tower::{ServiceBuilder, ServiceExt};
    use tower_deadline::{DeadlineLayer, Exceeded, Policy, PropagateLayer, now};

    const BUDGET: Duration = Duration::from_millis(300);
    const WRITE_STALL_LIMIT: Duration = Duration::from_secs(30);

    /// A watcher of a body, and what it watches with.
    struct Watched {
        journey: Journey,
        body: Arc<Mutex<Kept<u8>>>,
        hangup: Hangup,
    }

    async fn watched() -> Watched {
        let (journey, hangup) = (Journey::new(Arc::new(Policy::new()), true), Hangup::default());
        let body = Arc::new(Mutex::new(Kept::Whole(7)));
        let deadline = Deadline::after(now(), BUDGET);
        let stalled = Stalled { hangup: hangup.clone(), limit: WRITE_STALL_LIMIT };
        tokio::spawn(watch(deadline, journey.clone(), Arc::clone(&body), Some(stalled)));
        yield_now().await;
        Watched { journey, body, hangup }
    }

    async fn later(by: Duration) {
        advance(by).await;
        // The watcher is woken, looks, and waits again.
        yield_now().await;
        yield_now().await;
    }

    impl Watched {
        fn has_body(&self) -> bool {
            lock(&self.body).whole().is_some()
        }

        async fn is_hung_up(&self) -> bool {
            timeout(Duration::ZERO, self.hangup.requested()).await.is_ok()
        }
    }

    // R13b
    #[tokio::test(start_paused = true)]
    async fn an_unread_body_is_let_go_at_the_deadline_and_its_connection_after_the_stall() {
        let watched = watched().await;
        later(BUDGET - Duration::from_millis(1)).await;
        assert!(watched.has_body());
        later(Duration::from_millis(1)).await;
        assert!(!watched.has_body());
        later(WRITE_STALL_LIMIT - Duration::from_millis(1)).await;
        assert!(!watched.is_hung_up().await);
        later(Duration::from_millis(1)).await;
        assert!(watched.is_hung_up().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_ends_within_the_stall_costs_no_connection() {
        let watched = watched().await;
        later(BUDGET).await;
        watched.journey.end();
        later(2 * WRITE_STALL_LIMIT).await;
        assert!(!watched.has_body() && !watched.is_hung_up().await);
    }

    /// An event stream that nobody asked an end of goes on, however long it is read.
    // R18
    #[tokio::test(start_paused = true)]
    async fn a_released_body_keeps_its_upstream_and_its_connection() {
        let watched = watched().await;
        watched.journey.release();
        later(BUDGET).await;
        later(2 * WRITE_STALL_LIMIT).await;
        assert!(watched.has_body() && !watched.is_hung_up().await);
    }

    /// The body of an upstream that stops after its first word, within a deadline.
    async fn stopped() -> impl Body<Data = Bytes, Error = BodyError> + Unpin {
        let service = ServiceBuilder::new()
            .layer(DeadlineLayer::new(Policy::new()))
            .layer(StallLayer::new(WRITE_STALL_LIMIT))
            .layer(PropagateLayer::new())
            .service_fn(async |_: Request<_>| {
                Ok::<_, Infallible>(Response::new(ScriptedBody::new([Step::Data("a"), Step::Stall])))
            });
        let mut request = Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(Deadline::after(now(), BUDGET));
        let mut body = service.oneshot(request).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().now_or_never().is_none(), "it has stopped");
        body
    }

    /// The watcher and whoever owns the request are woken at the same instant, in whatever order.
    #[tokio::test(start_paused = true)]
    async fn the_stage_that_was_open_at_the_deadline_is_told_whoever_looks_first() {
        for watcher_first in [true, false] {
            let mut body = stopped().await;
            yield_now().await;
            // The clock moves at the first poll; who waits for it runs after that.
            let mut advancing = Box::pin(advance(BUDGET));
            assert!(advancing.as_mut().now_or_never().is_none());
            if watcher_first {
                later(Duration::ZERO).await;
            }
            let error = body.frame().now_or_never().flatten().unwrap().unwrap_err();
            let stage = Exceeded::find(&error).map(Exceeded::stage);
            assert_eq!(stage, Some(Stage::Upstream), "watcher first: {watcher_first}");
        }
    }
}
