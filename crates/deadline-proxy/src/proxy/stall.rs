//! Letting go of an upstream from outside (R13b).
//!
//! hyper does not poll a response body while its peer does not read, so a body cannot end itself. Covers a
//! watcher for each body that a deadline covers: at the deadline it takes the inner body out and drops it, and
//! the exchange with the upstream with it. The connection of a client that goes on not reading is closed by
//! the listener's limit on write stalls.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::{sleep_until, timeout};
use tower::{Layer, Service};
use tower_deadline::{BodyError, Deadline, Journey};

use crate::serve::{Hangup, WRITE_STALL_LIMIT};

#[derive(Clone, Copy, Debug)]
pub(super) struct StallLayer;

impl<S> Layer<S> for StallLayer {
    type Service = Stall<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stall { inner }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Stall<S> {
    inner: S,
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
        let hangup = request.extensions().get().cloned();
        StallFuture { inner: self.inner.call(request), journey, hangup }
    }
}

#[pin_project]
pub(super) struct StallFuture<F> {
    #[pin]
    inner: F,
    journey: Option<Journey>,
    hangup: Option<Hangup>,
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
pub(super) struct StallBody<B>(Arc<Mutex<Option<B>>>);

impl<B: Body + Send + 'static> StallBody<B> {
    fn new(inner: B, journey: Option<Journey>, hangup: Option<Hangup>) -> Self {
        let is_open = !inner.is_end_stream();
        let body = Self(Arc::new(Mutex::new(Some(inner))));
        let watched = journey.and_then(|journey| Some((journey.enforced()?.1, journey.clone())));
        if let Some((deadline, journey)) = watched.filter(|_| is_open) {
            tokio::spawn(watch(deadline, journey, Arc::clone(&body.0), hangup));
        }
        body
    }
}

/// Ends with the journey, or at the deadline with the body.
async fn watch<B>(deadline: Deadline, journey: Journey, body: Arc<Mutex<Option<B>>>, hangup: Option<Hangup>) {
    tokio::select! {
        () = journey.ended() => {}
        () = sleep_until(deadline.instant().into()) => {
            let inner = if journey.is_released() { None } else { lock(&body).take() };
            // Dropped without the lock.
            drop(inner);
            // A window that stays shut is no write that stalls: nothing but this ends the stream.
            if timeout(WRITE_STALL_LIMIT, journey.ended()).await.is_err() {
                hangup.iter().for_each(Hangup::now);
            }
        }
    }
}

fn lock<B>(body: &Mutex<Option<B>>) -> MutexGuard<'_, Option<B>> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Body for StallBody<B>
where
    B: Body<Error = BodyError> + Unpin,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match lock(&self.0).as_mut() {
            Some(inner) => Pin::new(inner).poll_frame(cx),
            // Taken out at the deadline, which the enforcing body outside sees first: it does not poll again.
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
