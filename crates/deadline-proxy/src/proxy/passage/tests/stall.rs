//! Letting go of an upstream from outside (R13b).

use super::*;
use crate::limits::Hangup;
use crate::noted::Noted;
use deadline_testkit::BodyProbe;
use futures_util::FutureExt;
use std::convert::Infallible;
use tokio::task::yield_now;
use tokio::time::{advance, timeout};
use tower::{ServiceBuilder, ServiceExt};
use tower_deadline::{Deadline, DeadlineLayer, Exceeded, Journey, PropagateLayer};

const BUDGET: Duration = Duration::from_millis(300);
const WRITE_STALL_LIMIT: Duration = Duration::from_secs(30);

/// An answer that nobody reads, and what it is held by.
struct Unread {
    journey: Journey,
    body: PassageBody<Scripted>,
    probe: BodyProbe,
    hangup: Hangup,
}

async fn unread() -> Unread {
    answered(ScriptedBody::new([Step::Data("a"), Step::Stall])).await
}

async fn answered(inner: ScriptedBody) -> Unread {
    let (journey, hangup) = (Journey::new(Arc::new(Policy::new()), true), Hangup::default());
    journey.enforce(Deadline::after(now(), BUDGET));
    let (inner, probe) = scripted(inner);
    let mut answer = Some(Response::new(inner));
    let service = PassageLayer::new(steps(&Shutdown::new())).layer(tower::service_fn(move |_| {
        let answer = answer.take().unwrap();
        async { Ok::<_, PropagateError>(answer) }
    }));
    let mut request = request("", Version::HTTP_2);
    request.extensions_mut().insert(journey.clone());
    Noted::within(request.extensions_mut()).hangup = Some(hangup.clone());
    let body = service.oneshot(request).await.unwrap().into_body();
    yield_now().await;
    Unread { journey, body, probe, hangup }
}

async fn later(by: Duration) {
    advance(by).await;
    // Whoever looks out is woken, looks, and waits again; whoever hangs up too.
    for _ in 0..3 {
        yield_now().await;
    }
}

impl Unread {
    fn has_body(&self) -> bool {
        !self.probe.is_dropped()
    }

    async fn is_hung_up(&self) -> bool {
        timeout(Duration::ZERO, self.hangup.requested()).await.is_ok()
    }
}

// R13b
#[tokio::test(start_paused = true)]
async fn an_unread_body_is_let_go_at_the_deadline_and_its_connection_after_the_stall() {
    let unread = unread().await;
    later(BUDGET - Duration::from_millis(1)).await;
    assert!(unread.has_body());
    later(Duration::from_millis(1)).await;
    assert!(!unread.has_body());
    assert!(!unread.body.is_end_stream(), "it is not whole");
    later(WRITE_STALL_LIMIT - Duration::from_millis(1)).await;
    assert!(!unread.is_hung_up().await);
    later(Duration::from_millis(1)).await;
    assert!(unread.is_hung_up().await);
}

/// What has ended is asked for its end once more, as HTTP/1.1 does before it writes the last chunk.
#[tokio::test(start_paused = true)]
async fn a_body_that_was_handed_on_as_a_whole_stays_whole_at_the_deadline() {
    let mut read = answered(ScriptedBody::new([Step::Data("a")]).telling_end()).await;
    assert!(read.body.frame().await.unwrap().is_ok() && read.body.is_end_stream());
    later(BUDGET).await;
    assert!(!read.has_body() && read.body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_within_the_stall_costs_no_connection() {
    let unread = unread().await;
    later(BUDGET).await;
    unread.journey.end();
    later(2 * WRITE_STALL_LIMIT).await;
    assert!(!unread.has_body() && !unread.is_hung_up().await);
}

/// An event stream that nobody asked an end of goes on, however long it is read.
// R18
#[tokio::test(start_paused = true)]
async fn a_released_body_keeps_its_upstream_and_its_connection() {
    let unread = unread().await;
    unread.journey.release();
    later(BUDGET).await;
    later(2 * WRITE_STALL_LIMIT).await;
    assert!(unread.has_body() && !unread.is_hung_up().await);
}

/// The body of an upstream that stops after its first word, within a deadline.
async fn stopped() -> impl Body<Data = Bytes, Error = BodyError> + Unpin {
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Policy::new()))
        .layer(PassageLayer::new(steps(&Shutdown::new())))
        .layer(PropagateLayer::new())
        .service_fn(async |_: Request<_>| {
            Ok::<_, Infallible>(Response::new(ScriptedBody::new([Step::Data("a"), Step::Stall])))
        });
    let mut request = request("", Version::HTTP_2);
    request.extensions_mut().insert(Deadline::after(now(), BUDGET));
    let mut body = service.oneshot(request).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().now_or_never().is_none(), "it has stopped");
    body
}

/// Whoever looks out and whoever owns the request are woken at the same instant, in whatever order.
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
