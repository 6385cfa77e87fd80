//! A call of gRPC is told of its deadline in gRPC's own words (R13, R24).

use super::*;
use crate::testing::{data, is_at_end, poll, poll_frame, ready as now_ready, response, trailers};
use crate::{Exceeded, PropagateError, Stage, WatchedBody};
use deadline_testkit::Step;
use http_deadline::OnMissing;
use std::future::pending;
use tokio::time::{advance, sleep};

const BUDGET: u32 = 300;
const TRAIL: &str = "origin=code, stage=upstream, cause=deadline";

fn grpc(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

/// The head that says so, and its reason.
#[track_caller]
fn told(head: &Response<WatchedBody<ScriptedBody>>) -> Stage {
    assert_eq!(
        (&head.headers()["content-type"], &head.headers()["grpc-status"]),
        (&"application/grpc".parse().unwrap(), &"4".parse().unwrap())
    );
    assert!(http_body::Body::is_end_stream(head.body()));
    head.extensions().get::<Exceeded>().unwrap().stage()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_stopped_before_its_head_is_answered_with_a_status() {
    let mut client = PropagateLayer::new().layer(tower::service_fn(|_| pending::<Outcome>()));
    let mut calling = send(&mut client, grpc(within(BUDGET)));
    assert!(poll(calling.as_mut()).is_pending());
    advance((BUDGET - 1) * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let head = now_ready(poll(calling.as_mut()));
    assert_eq!(told(&head), Stage::Upstream);
    assert_eq!(head.headers()["deadline-exceeded"], TRAIL);
    assert_eq!(head.headers()["grpc-message"], "deadline of 300 ms exceeded in stage upstream");
}

// R16
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_sent_is_answered_with_a_status_and_one_without_a_deadline_with_an_error() {
    let mut upstream = upstream(&PropagateLayer::new().on_missing(OnMissing::Reject));
    let head = now_ready(poll(send(&mut upstream.client, grpc(within(0))).as_mut()));
    assert_eq!((told(&head), upstream.probe.called()), (Stage::Unsent, 0));
    let missing = poll(send(&mut upstream.client, grpc(Request::new(()))).as_mut());
    assert!(matches!(missing, std::task::Poll::Ready(Err(PropagateError::Missing))));
}

/// As tonic's channel does, which keeps the field itself.
#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_at_the_deadline_has_exceeded_it_and_one_that_fails_sooner_has_failed() {
    for (after, exceeded) in [(BUDGET - 2, false), (BUDGET - 1, true), (BUDGET, true)] {
        let fail = move |_| async move {
            sleep(after * MS).await;
            Outcome::Err(ScriptedError)
        };
        let mut client = PropagateLayer::new().layer(tower::service_fn(fail));
        let mut calling = send(&mut client, grpc(within(BUDGET)));
        assert!(poll(calling.as_mut()).is_pending());
        advance(after * MS).await;
        match (calling.await, exceeded) {
            (Ok(head), true) => assert_eq!(told(&head), Stage::Upstream),
            (Err(PropagateError::Inner(_)), false) => {}
            (other, _) => panic!("after {after} ms: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_call_that_fails_at_the_deadline_has_failed() {
    let fail = |_| async {
        sleep(BUDGET * MS).await;
        Outcome::Err(ScriptedError)
    };
    let mut client = PropagateLayer::new().layer(tower::service_fn(fail));
    let outcome = send(&mut client, within(BUDGET)).await;
    assert!(matches!(outcome, Err(PropagateError::Inner(_))), "{outcome:?}");
}

/// The response of a call that streams these steps.
async fn streaming(steps: impl IntoIterator<Item = Step> + Clone + Send + 'static) -> WatchedBody<ScriptedBody> {
    let mut upstream = answering(&PropagateLayer::new(), move || response("application/grpc", steps.clone()));
    send(&mut upstream.client, grpc(within(BUDGET))).await.unwrap().into_body()
}

#[track_caller]
fn status(body: &mut WatchedBody<ScriptedBody>) -> HeaderMap {
    match poll_frame(body) {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_trailers().unwrap(),
        other => panic!("no trailers: {other:?}"),
    }
}

// R13
#[tokio::test(start_paused = true)]
async fn a_stalled_stream_ends_with_a_status_at_the_deadline_and_not_before() {
    let mut body = streaming([Step::Data("\0\0\0\0\x05hel"), Step::Stall]).await;
    data(&mut body);
    advance((BUDGET - 1) * MS).await;
    assert!(poll_frame(&mut body).is_pending());
    advance(MS).await;
    let trailers = status(&mut body);
    assert_eq!(
        (&trailers["grpc-status"], &trailers["deadline-exceeded"]),
        (&"4".parse().unwrap(), &TRAIL.parse().unwrap())
    );
    assert!(is_at_end(&mut body));
}

// R24
#[tokio::test(start_paused = true)]
async fn what_the_other_side_made_of_the_deadline_is_corrected_and_nothing_else() {
    let cancelled = [Step::Trailers(trailers("grpc-status", "1"))];
    let (reset, refused) = ([Step::Error], [Step::Trailers(trailers("grpc-status", "7"))]);
    for (after, ends) in [(BUDGET - 2, "1"), (BUDGET - 1, "4")] {
        let (mut cancelled, mut refused, mut reset) =
            (streaming(cancelled.clone()).await, streaming(refused.clone()).await, streaming(reset.clone()).await);
        advance(after * MS).await;
        assert_eq!(status(&mut cancelled)["grpc-status"], ends);
        assert_eq!(status(&mut refused)["grpc-status"], "7");
        let early = ends == "1";
        if !early {
            assert_eq!(status(&mut reset)["grpc-status"], "4");
        } else {
            assert!(matches!(poll_frame(&mut reset), std::task::Poll::Ready(Some(Err(_)))));
        }
        assert!(is_at_end(&mut reset));
    }
}
