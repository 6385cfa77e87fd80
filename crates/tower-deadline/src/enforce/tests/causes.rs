//! Why it stopped: the first cause wins, and what was finished has none.

use super::*;
use crate::testing::{
    BUDGET, call, data, error, exceeded, is_at_end, journey, poll, poll_frame, ready as now_ready, trailers, under,
};
use crate::{Cause, Policy};
use http::{Method, StatusCode};
use http_deadline::Journey;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::time::advance;

fn request() -> (Request<ScriptedBody>, Journey) {
    let request = under(Policy::new(), true);
    let journey = journey(&request);
    (request, journey)
}

/// Calls a service that answers at once, reads this many frames, and drops the rest.
fn after_frames(frames: usize, request: Request<ScriptedBody>, response: impl Fn() -> Response<ScriptedBody> + Clone) {
    let service = enforced(&Probe::default(), move |_: Incoming| ready(Outcome::Ok(response())));
    let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
    for _ in 0..frames {
        assert!(matches!(poll_frame(&mut body), std::task::Poll::Ready(Some(Ok(_)))));
    }
}

fn cause_after(frames: usize, body: impl Fn() -> ScriptedBody + Clone) -> Option<Cause> {
    let (request, journey) = request();
    after_frames(frames, request, move || Response::new(body()));
    assert!(journey.is_ended());
    journey.cause()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_before_the_head_is_gone() {
    let (request, journey) = request();
    let mut calling = call(&enforced(&Probe::default(), silent), request);
    assert!(poll(calling.as_mut()).is_pending());
    assert!(!journey.is_ended());
    drop(calling);
    assert_eq!((journey.cause(), journey.is_ended()), (Some(Cause::ClientGone), true));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_it_queues_is_gone() {
    let (request, journey) = request();
    let mut calling = call(&behind(&Gate::closed(), &Probe::default(), prompt), request);
    assert!(poll(calling.as_mut()).is_pending());
    drop(calling);
    assert_eq!(journey.cause(), Some(Cause::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_half_way_through_the_body_is_gone() {
    let two = || ScriptedBody::new([Step::Data("one"), Step::Data("two")]);
    for frames in 0..2 {
        assert_eq!(cause_after(frames, two), Some(Cause::ClientGone));
        assert_eq!(cause_after(frames, move || two().telling_size().telling_end()), Some(Cause::ClientGone));
    }
    // All data, but nobody could know that.
    assert_eq!(cause_after(2, two), Some(Cause::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_body_read_to_its_end_has_no_cause() {
    let two = || ScriptedBody::new([Step::Data("one"), Step::Data("two")]);
    let (request, journey) = request();
    let service = streaming("text/plain", [Step::Data("one")]);
    let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
    data(&mut body);
    assert!(is_at_end(&mut body) && journey.is_ended());
    drop(body);
    assert_eq!(journey.cause(), None);
    // By its length, by its own word, and by trailers, which are the last frame there can be.
    assert_eq!(cause_after(2, move || two().telling_size()), None);
    assert_eq!(cause_after(2, move || two().telling_end()), None);
    let with_trailers = || ScriptedBody::new([Step::Data("one"), Step::Trailers(trailers("grpc-status", "0"))]);
    assert_eq!(cause_after(2, with_trailers), None);
    assert_eq!(cause_after(1, with_trailers), Some(Cause::ClientGone));
}

/// hyper stops at the length that the head promises, and drops the body without asking for its end.
#[tokio::test(start_paused = true)]
async fn a_body_read_to_the_length_in_its_head_has_no_cause() {
    let response = || {
        let mut response = Response::new(ScriptedBody::new([Step::Data("one"), Step::Data("two")]));
        response.headers_mut().insert("content-length", "6".parse().unwrap());
        response
    };
    for (frames, cause) in [(1, Some(Cause::ClientGone)), (2, None)] {
        let (request, journey) = request();
        after_frames(frames, request, response);
        assert_eq!(journey.cause(), cause);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_by_rule_has_no_cause() {
    let unread = || ScriptedBody::new([Step::Data("never read")]);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let (request, journey) = request();
        after_frames(0, request, move || {
            let mut response = Response::new(unread());
            *response.status_mut() = status;
            response
        });
        assert_eq!(journey.cause(), None, "{status}");
    }
    let (mut request, journey) = request();
    *request.method_mut() = Method::HEAD;
    after_frames(0, request, move || Response::new(unread()));
    assert_eq!(journey.cause(), None, "HEAD");
    assert_eq!(cause_after(0, || ScriptedBody::new([]).telling_end()), None, "empty");
}

#[tokio::test(start_paused = true)]
async fn an_inner_error_is_no_cause() {
    let (request, journey) = request();
    let mut body = now_ready(poll(call(&streaming("text/plain", [Step::Error]), request).as_mut())).into_body();
    error(&mut body);
    drop(body);
    assert_eq!((journey.cause(), journey.is_ended()), (None, true));
}

/// Whoever unwinds through the call drops it, as the task of a connection does.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_handlers_is_no_cause() {
    async fn panicking(_: Incoming) -> Outcome {
        panic!("on purpose")
    }
    let (request, journey) = request();
    let mut calling = call(&enforced(&Probe::default(), panicking), request);
    let outcome = catch_unwind(AssertUnwindSafe(move || poll(calling.as_mut()).is_ready()));
    assert!(outcome.is_err());
    assert_eq!((journey.cause(), journey.is_ended()), (None, true));
}

/// Whoever catches it drops the call later, as a layer does that answers 500.
#[tokio::test(start_paused = true)]
async fn a_panic_that_was_caught_further_out_is_no_cause_either() {
    async fn panicking(_: Incoming) -> Outcome {
        panic!("on purpose")
    }
    let (request, journey) = request();
    let mut calling = call(&enforced(&Probe::default(), panicking), request);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(calling.as_mut()).is_ready())).is_err());
    drop(calling);
    assert_eq!((journey.cause(), journey.is_ended()), (None, true));
}

#[tokio::test(start_paused = true)]
async fn dropping_what_the_deadline_has_stopped_changes_nothing() {
    let (request, journey) = request();
    let mut body = now_ready(poll(call(&streaming("text/plain", [Step::Stall]), request).as_mut())).into_body();
    advance(BUDGET).await;
    error(&mut body);
    drop(body);
    assert_eq!(journey.cause(), Some(Cause::Deadline));
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_wins_and_is_the_one_reported() {
    let (request, journey) = request();
    let mut calling = call(&enforced(&Probe::default(), silent), request);
    assert!(poll(calling.as_mut()).is_pending());
    assert!(journey.stop(Cause::Shutdown));
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(exceeded(&response).cause(), Cause::Shutdown);
    assert_eq!(journey.cause(), Some(Cause::Shutdown));
}
