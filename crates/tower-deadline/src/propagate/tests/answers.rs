//! R9, R23, R24: what the answer of a hop downstream means here.

use super::*;
use crate::testing::{poll, ready as now_ready};
use crate::{Exceeded, OriginKind, Stage};
use http::StatusCode;
use tokio::time::{advance, sleep};

const TRAIL: &str = "origin=header, stage=handler, cause=deadline, hop=\"payments\"";

fn answer(status: StatusCode, fields: &[(&'static str, &'static str)]) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::full(""));
    *response.status_mut() = status;
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

/// What the caller gets of an answer that comes in time.
fn got(status: StatusCode, fields: &'static [(&'static str, &'static str)]) -> Response<impl Sized> {
    let mut upstream = answering(&PropagateLayer::new(), move || answer(status, fields));
    now_ready(poll(send(&mut upstream.client, within(300)).as_mut()))
}

/// What the caller gets of an answer that comes at the very instant of its deadline.
async fn got_late(status: StatusCode, fields: &'static [(&'static str, &'static str)]) -> Response<impl Sized> {
    let late = move |_: Request<()>| async move {
        sleep(300 * MS).await;
        Outcome::Ok(answer(status, fields))
    };
    let mut client = PropagateLayer::new().layer(tower::service_fn(late));
    let mut calling = send(&mut client, within(300));
    assert!(poll(calling.as_mut()).is_pending());
    advance(300 * MS).await;
    now_ready(poll(calling.as_mut()))
}

fn reason<B>(response: &Response<B>) -> Option<&Exceeded> {
    response.extensions().get()
}

// R9
#[tokio::test(start_paused = true)]
async fn deadline_fields_of_a_response_are_removed() {
    let fields = &[("x-request-timeout", "1s"), ("grpc-timeout", "1S"), ("x-request-start", "t=1"), ("etag", "7")];
    let response = got(StatusCode::OK, fields);
    assert_eq!(response.headers().keys().collect::<Vec<_>>(), ["etag"]);
}

// R23
#[tokio::test(start_paused = true)]
async fn a_504_that_reports_the_deadline_we_sent_is_reported_as_ours() {
    let response = got(StatusCode::GATEWAY_TIMEOUT, &[("deadline-exceeded", TRAIL)]);
    let reason = reason(&response).unwrap();
    assert_eq!((reason.stage(), reason.budget()), (Stage::Upstream, 300 * MS));
    assert_eq!(reason.origin().kind(), OriginKind::Code, "who set it here");
    assert_eq!(response.headers()["deadline-exceeded"], TRAIL);
}

/// R23: a hop that had no connection in time may tell of overload; the field says whose time it was.
#[tokio::test(start_paused = true)]
async fn an_overload_that_reports_the_deadline_we_sent_is_reported_as_ours() {
    const POOL: (&str, &str) = ("deadline-exceeded", "origin=header, stage=pool, cause=deadline, hop=\"payments\"");
    const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("grpc-status", "8")];
    let shed = got(StatusCode::SERVICE_UNAVAILABLE, &[POOL]);
    assert_eq!(reason(&shed).map(Exceeded::stage), Some(Stage::Upstream));
    assert!(reason(&got(StatusCode::OK, &[GRPC[0], GRPC[1], POOL])).is_some());
    for (status, fields) in [(StatusCode::SERVICE_UNAVAILABLE, &[][..]), (StatusCode::OK, &GRPC)] {
        assert!(reason(&got(status, fields)).is_none(), "{status}");
        assert!(reason(&got_late(status, fields).await).is_none(), "{status}, late: it does not speak of time");
    }
}

// R23
#[tokio::test(start_paused = true)]
async fn a_504_for_any_other_reason_is_an_ordinary_answer() {
    let others: [&[(&str, &str)]; 5] = [
        &[],
        &[("deadline-exceeded", "origin=policy, stage=handler, cause=deadline")],
        &[("deadline-exceeded", "origin=code, stage=handler, cause=deadline")],
        &[("deadline-exceeded", "origin=header, stage=handler, cause=shutdown")],
        &[("deadline-exceeded", "yes")],
    ];
    for fields in others {
        assert!(reason(&got(StatusCode::GATEWAY_TIMEOUT, fields)).is_none(), "{fields:?}");
    }
    assert!(reason(&got(StatusCode::OK, &[("deadline-exceeded", TRAIL)])).is_none(), "no 504");
}

// R23
#[tokio::test(start_paused = true)]
async fn a_504_that_comes_when_our_deadline_has_passed_is_reported_as_ours() {
    assert!(reason(&got_late(StatusCode::GATEWAY_TIMEOUT, &[]).await).is_some());
    assert!(reason(&got_late(StatusCode::OK, &[]).await).is_none());
}

// R24
#[tokio::test(start_paused = true)]
async fn cancelled_is_exceeded_once_the_deadline_has_passed() {
    let fields = &[("content-type", "application/grpc"), ("grpc-status", "1")];
    let early = got(StatusCode::OK, fields);
    assert_eq!((&early.headers()["grpc-status"], reason(&early).is_some()), (&"1".parse().unwrap(), false));
    let late = got_late(StatusCode::OK, fields).await;
    assert_eq!((&late.headers()["grpc-status"], reason(&late).is_some()), (&"4".parse().unwrap(), true));
    let other = got_late(StatusCode::OK, &[("content-type", "text/plain"), ("grpc-status", "1")]).await;
    assert_eq!(other.headers()["grpc-status"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_grpc_status_that_reports_the_deadline_we_sent_is_reported_as_ours() {
    let ours = got(
        StatusCode::OK,
        &[("content-type", "application/grpc"), ("grpc-status", "4"), ("deadline-exceeded", TRAIL)],
    );
    assert!(reason(&ours).is_some());
    let theirs = got(StatusCode::OK, &[("content-type", "application/grpc"), ("grpc-status", "4")]);
    assert!(reason(&theirs).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_the_hop_that_stopped_it_has_told_stands_beside_the_answer() {
    let ours = got(StatusCode::GATEWAY_TIMEOUT, &[("deadline-exceeded", TRAIL)]);
    let told = reason(&ours).and_then(Exceeded::trail).unwrap();
    assert_eq!((told.stage(), told.hop()), (Stage::Handler, Some("payments")));
    const POLICY: &str = "origin=policy, stage=pool, cause=deadline, hop=\"payments\"";
    let theirs = got_late(StatusCode::GATEWAY_TIMEOUT, &[("deadline-exceeded", POLICY)]).await;
    assert_eq!(reason(&theirs).and_then(Exceeded::trail).map(ToString::to_string).as_deref(), Some(POLICY));
    let nobody = got_late(StatusCode::GATEWAY_TIMEOUT, &[]).await;
    assert!(reason(&nobody).unwrap().trail().is_none());
}
