//! R12: an inner future that uses up tokio's cooperative budget cannot keep its deadline from firing.
//!
//! The busy ones in real time, alone of all tests: a paused clock moves only when every task is idle, and the
//! point of these futures is that they never are.

use super::*;
use crate::now;
use crate::testing::{MS, call, exceeded, within};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::coop;

const SHORT: Duration = Duration::from_millis(50);

/// Far above what a loaded machine needs, far below what a starved timer took.
const SOON: Duration = Duration::from_millis(1_500);

/// Uses up the budget of this poll.
fn burn() {
    while let Poll::Ready(progress) = coop::poll_proceed(&mut Context::from_waker(Waker::noop())) {
        progress.made_progress();
    }
}

/// Uses up the budget of each poll, and wants the next one at once.
fn burn_on(cx: &mut Context<'_>) {
    burn();
    cx.waker().wake_by_ref();
}

struct Burning;

impl Body for Burning {
    type Data = bytes::Bytes;
    type Error = ScriptedError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        burn_on(cx);
        Poll::Pending
    }
}

/// A sleep that counts towards the budget is not armed where that is used up: it wakes its task at once, and
/// the two go round until the deadline.
#[tokio::test(start_paused = true)]
async fn the_timer_is_armed_though_nothing_is_left_of_the_budget() {
    let polls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&polls);
    let idle = move |_: Incoming| {
        let counted = Arc::clone(&counted);
        std::future::poll_fn(move |_| {
            assert!(counted.fetch_add(1, Ordering::Relaxed) < 10, "went round");
            burn();
            Poll::<Outcome>::Pending
        })
    };
    let response = call(&enforced(&Probe::default(), idle), within(SHORT)).await.unwrap();
    assert_eq!(exceeded(&response).elapsed(), SHORT);
    assert_eq!(polls.load(Ordering::Relaxed), 2, "when it came, and at the deadline");
}

#[tokio::test]
async fn a_busy_handler_ends_at_its_deadline() {
    let busy = |_: Incoming| {
        std::future::poll_fn(|cx| {
            burn_on(cx);
            Poll::<Outcome>::Pending
        })
    };
    let start = now();
    let response = call(&enforced(&Probe::default(), busy), within(SHORT)).await.unwrap();
    assert!(exceeded(&response).elapsed() >= SHORT);
    assert!(now() - start < SOON);
}

#[tokio::test]
async fn a_busy_response_body_ends_at_its_deadline() {
    let service = EnforceLayer::new()
        .layer(tower::service_fn(|_: Incoming| ready(Ok::<_, ScriptedError>(Response::new(Burning)))));
    let start = now();
    let body = call(&service, within(SHORT)).await.unwrap().into_body();
    assert!(body.collect().await.is_err());
    assert!((SHORT - MS..SOON).contains(&(now() - start)));
}
