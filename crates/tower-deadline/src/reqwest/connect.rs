//! Making connections: how long one may take, and that it is being made.
//!
//! Covers a layer around reqwest's connector, with name, socket, proxy and TLS. The deadline of the call is
//! ambient in it, for whatever connects; the call itself ends at it. A connection that hyper-util goes on making
//! for its pool, once the call has another, is bounded by the limit alone.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_deadline::{Stage, StageGuard};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::limits::{LimitReached, Running};
use crate::BoxError;
use crate::propagate::trace::{Telling, calling};

std::thread_local! {
    /// Whether a connection was waited for within the poll that runs.
    static CONNECTS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `poll`, and tells whether a connection was waited for in it. The journey does not tell: once the pool has
/// taken a connection over, it is the pool's task that closes the stage, and nobody wakes the call for that.
pub(super) fn connects<R>(poll: impl FnOnce() -> R) -> (R, bool) {
    let outer = CONNECTS.replace(false);
    let polled = poll();
    (polled, CONNECTS.replace(outer))
}

/// Limits each connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectLayer(pub(super) Option<LimitReached>);

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Connect { inner, limit: self.0 }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Connect<S> {
    inner: S,
    limit: Option<LimitReached>,
}

impl<S, D> Service<D> for Connect<S>
where
    S: Service<D, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Connecting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let call = calling(|call| call.cloned()).unwrap_or_default();
        let open = call.journey.map(|journey| journey.enter(Stage::Connect));
        if let Some(telling) = &call.telling {
            telling.connect();
        }
        let running = self.limit.map(Running::start);
        Connecting { inner: self.inner.call(destination), running, open, telling: call.telling }
    }
}

#[pin_project]
#[derive(Debug)]
pub(super) struct Connecting<F> {
    #[pin]
    inner: F,
    running: Option<Running>,
    open: Option<StageGuard>,
    telling: Option<Telling>,
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Polled by a task of the pool's: the call went on without this connection.
        if calling(|call| call.is_none()) {
            (*this.open, *this.telling) = (None, None);
        }
        // R11: value before timer.
        if let Poll::Ready(outcome) = this.inner.poll(cx) {
            *this.open = None;
            return Poll::Ready(told(this.telling, outcome.map_err(Into::into)));
        }
        CONNECTS.set(true);
        let Some(running) = this.running else { return Poll::Pending };
        running.poll_reached(Stage::Connect, cx).map(|exceeded| told(this.telling, Err(exceeded.into())))
    }
}

/// Tells what came of it, once.
fn told<T>(telling: &mut Option<Telling>, made: Result<T, BoxError>) -> Result<T, BoxError> {
    if let Some(telling) = telling.take() {
        telling.made(made.as_ref().err().map(|error| &**error as &(dyn Error + 'static)));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::propagate::trace::{Calling, within};
    use crate::testing::{BUDGET, MS, poll};
    use crate::timer::tests::armed;
    use crate::{Deadline, Journey, Policy, current, now};
    use http_deadline::{Ambient, Exceeded};
    use std::future::pending;
    use std::io;
    use std::pin::pin;
    use tokio::time::{advance, sleep};
    use tower::service_fn;

    use super::super::limits::Limit;

    fn limited(limit: u32) -> ConnectLayer {
        ConnectLayer(Some(LimitReached::new(Limit::Connect, limit * MS)))
    }

    fn of(journey: &Journey) -> Calling {
        Calling { journey: Some(journey.clone()), telling: None }
    }

    async fn never(_: ()) -> io::Result<()> {
        pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_not_made_is_given_up_at_the_limit_and_not_before() {
        let mut connecting = pin!(limited(200).layer(service_fn(never)).call(()));
        assert!(poll(connecting.as_mut()).is_pending());
        advance(199 * MS).await;
        assert!(poll(connecting.as_mut()).is_pending());
        advance(MS).await;
        let Poll::Ready(Err(error)) = poll(connecting.as_mut()) else { panic!("still connecting") };
        assert_eq!(LimitReached::find(&*error).map(|reached| reached.limit()), Some(Limit::Connect));
        assert_eq!(Exceeded::find(&*error).map(Exceeded::stage), Some(Stage::Connect));
    }

    // R11
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_made_at_the_very_instant_is_used() {
        let made = service_fn(|()| async {
            sleep(200 * MS).await;
            io::Result::Ok(())
        });
        let mut connecting = pin!(limited(200).layer(made).call(()));
        assert!(poll(connecting.as_mut()).is_pending());
        advance(200 * MS).await;
        assert!(matches!(poll(connecting.as_mut()), Poll::Ready(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_there_is_no_timer() {
        let mut connecting = pin!(ConnectLayer(None).layer(service_fn(never)).call(()));
        assert!(poll(connecting.as_mut()).is_pending());
        assert_eq!(armed(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_stage_is_open_while_the_call_connects_and_not_once_the_pool_does() {
        let journey = Journey::new(Policy::new().into(), false);
        let mut connect = ConnectLayer(None).layer(service_fn(never));
        let mut connecting = pin!(within(of(&journey), || connect.call(())));
        assert!(within(of(&journey), || poll(connecting.as_mut())).is_pending());
        assert_eq!(journey.stage(), Stage::Connect);
        assert!(poll(connecting.as_mut()).is_pending());
        assert_eq!(journey.stage(), Stage::Handler);
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_connects_sees_the_deadline_of_the_call() {
        let journey = Journey::new(Policy::new().into(), false);
        let seen = service_fn(|()| async { current().ok_or(io::Error::other("no deadline")) });
        let mut connect = ConnectLayer(None).layer(seen);
        let mut ambient = Ambient::new(Some(Deadline::after(now(), BUDGET)), None);
        let mut connecting = pin!(within(of(&journey), || connect.call(())));
        let seen = ambient.run(|| within(of(&journey), || poll(connecting.as_mut())));
        assert!(matches!(seen, Poll::Ready(Ok(deadline)) if deadline.budget() == BUDGET));
        assert_eq!(journey.stage(), Stage::Handler);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_waits_for_a_connection_is_known_and_the_one_around_it_is_not_mistaken() {
        let mut connecting = pin!(ConnectLayer(None).layer(service_fn(never)).call(()));
        let ((within, inner), outer) = connects(|| connects(|| poll(connecting.as_mut())));
        assert!(within.is_pending() && inner && !outer);
        assert!(!connects(|| ()).1);
    }
}
