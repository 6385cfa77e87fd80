use super::*;
use crate::testing::{call, data, plain, poll, ready as now_ready};
use crate::{AdmitLayer, AnswerBody, Answers, Deadline, Policy, PropagateLayer, WatchedBody};
use bytes::Bytes;
use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService, Step};
use http::{HeaderMap, Request, Response, StatusCode};
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use tower::{Layer, ServiceBuilder, service_fn};

type Incoming = Request<ScriptedBody>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Fields = [(&'static str, &'static str)];

fn with(fields: &Fields, mut headers: HeaderMap) -> HeaderMap {
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn request(fields: &Fields) -> Incoming {
    let mut request = plain();
    *request.headers_mut() = with(fields, HeaderMap::new());
    request
}

/// What a request with these fields comes to, and what was sent on, if it was.
fn through(
    layer: &HopByHopLayer,
    request: Incoming,
    response: &'static Fields,
) -> (Response<AnswerBody<ScriptedBody>>, Option<HeaderMap>) {
    let sent = Arc::<Mutex<Option<HeaderMap>>>::default();
    let kept = Arc::clone(&sent);
    let handler = move |request: Incoming| -> Ready<Outcome> {
        *kept.lock().unwrap() = Some(request.headers().clone());
        let mut answer = Response::new(ScriptedBody::full("served"));
        *answer.headers_mut() = with(response, HeaderMap::new());
        ready(Ok(answer))
    };
    let service = layer.layer(ScriptedService::new(Gate::default(), Probe::default(), handler));
    let response = now_ready(poll(call(&service, request).as_mut()));
    let sent = sent.lock().unwrap().take();
    (response, sent)
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_concerns_one_connection_crosses_in_neither_direction() {
    let asked = request(&[("connection", "x-private, close"), ("x-private", "1"), ("te", "gzip"), ("accept", "*/*")]);
    let answered = &[("connection", "x-secret"), ("x-secret", "1"), ("keep-alive", "timeout=5"), ("etag", "7")];
    let (response, sent) = through(&HopByHopLayer::default(), asked, answered);
    assert_eq!(names(&sent.unwrap()), ["accept"]);
    assert_eq!(names(response.headers()), ["etag"]);
    assert_eq!(data(&mut response.into_body()), "served");
}

// R32
#[test]
fn a_wish_for_another_protocol_is_stripped_or_refused() {
    let asked = || request(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAM")]);
    let (response, sent) = through(&HopByHopLayer::new(UpgradePolicy::Strip), asked(), &[]);
    assert_eq!((response.status(), sent.map(|sent| sent.len())), (StatusCode::OK, Some(0)));
    let strict = HopByHopLayer::new(UpgradePolicy::Reject);
    let (response, sent) = through(&strict, asked(), &[]);
    assert_eq!((response.status(), sent), (StatusCode::NOT_IMPLEMENTED, None));
    assert_eq!(through(&strict, request(&[]), &[]).0.status(), StatusCode::OK);
    // RFC 9110 §7.8: in HTTP/1.0 the field says nothing.
    let mut old = asked();
    *old.version_mut() = http::Version::HTTP_10;
    assert_eq!(through(&strict, old, &[]).0.status(), StatusCode::OK);
}

// R31
#[test]
fn a_request_that_nominates_a_protected_field_is_refused() {
    let layer = HopByHopLayer::default().answers(Answers::new().hop("edge"));
    let (response, sent) = through(&layer, request(&[("connection", "Host"), ("host", "orders")]), &[]);
    assert_eq!((response.status(), sent), (StatusCode::BAD_REQUEST, None));
    let document: serde_json::Value = serde_json::from_slice(&data(&mut response.into_body())).unwrap();
    assert_eq!(document["hop"], "edge");
    let grpc = request(&[("connection", "cookie"), ("content-type", "application/grpc")]);
    let (response, _) = through(&layer, grpc, &[]);
    assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &"13".parse().unwrap()));
}

// R35
#[test]
fn a_response_that_nominates_a_protected_field_is_broken() {
    let (response, sent) = through(&HopByHopLayer::default(), request(&[]), &[("connection", "content-length")]);
    assert!(sent.is_some());
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let grpc = request(&[("content-type", "application/grpc")]);
    let (response, _) = through(&HopByHopLayer::default(), grpc, &[("connection", "content-length")]);
    assert_eq!(response.headers()["grpc-status"], "14");
}

// R35
#[test]
fn a_coding_that_nobody_reads_is_a_501_or_the_upstreams_failure() {
    const CODED: &Fields = &[("transfer-encoding", "gzip, chunked")];
    let (response, sent) = through(&HopByHopLayer::default(), request(CODED), &[]);
    assert_eq!((response.status(), sent), (StatusCode::NOT_IMPLEMENTED, None));
    let (response, sent) = through(&HopByHopLayer::default(), request(&[]), CODED);
    assert_eq!((response.status(), sent.is_some()), (StatusCode::BAD_GATEWAY, true));
    let document: serde_json::Value = serde_json::from_slice(&data(&mut response.into_body())).unwrap();
    assert_eq!(document["detail"], "the upstream's transfer-encoding: nothing but `chunked` is expected");
}

// R33
#[test]
fn a_length_that_is_not_the_bodys_does_not_cross() {
    const BOTH: &Fields = &[("transfer-encoding", "chunked"), ("content-length", "5"), ("etag", "7")];
    let (response, sent) = through(&HopByHopLayer::default(), request(BOTH), BOTH);
    assert_eq!((names(&sent.unwrap()), names(response.headers())), (vec!["etag"], vec!["etag"]));
}

#[test]
fn the_body_of_a_broken_response_is_dropped() {
    let body = ScriptedBody::new([Step::Stall]);
    let probe = body.probe();
    let body = Mutex::new(Some(body));
    let service = HopByHopLayer::default().layer(service_fn(|_: Incoming| {
        let mut response = Response::new(body.lock().unwrap().take().unwrap());
        response.headers_mut().insert("connection", "host".parse().unwrap());
        ready(Outcome::Ok(response))
    }));
    let response = now_ready(poll(call(&service, plain()).as_mut()));
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(probe.is_dropped());
}

// R32
#[test]
fn an_uninvited_switch_of_protocols_is_broken() {
    let service = HopByHopLayer::default().layer(service_fn(|_: Incoming| {
        let mut response = Response::new(ScriptedBody::full(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        ready(Outcome::Ok(response))
    }));
    assert_eq!(now_ready(poll(call(&service, plain()).as_mut())).status(), StatusCode::BAD_GATEWAY);
}

/// What a request for `asked` comes to where WebSocket is allowed, and what was sent on.
fn switched(
    asked: &'static Fields,
    status: StatusCode,
    answered: &'static Fields,
) -> (Response<AnswerBody<ScriptedBody>>, HeaderMap) {
    let layer = HopByHopLayer::new(UpgradePolicy::allow(["websocket"]).unwrap());
    let sent = Mutex::new(HeaderMap::new());
    let service = layer.layer(service_fn(|request: Incoming| {
        *sent.lock().unwrap() = request.headers().clone();
        let mut response = Response::new(ScriptedBody::full(""));
        *response.status_mut() = status;
        *response.headers_mut() = with(answered, HeaderMap::new());
        ready(Outcome::Ok(response))
    }));
    let response = now_ready(poll(call(&service, request(asked)).as_mut()));
    let sent = sent.lock().unwrap().clone();
    (response, sent)
}

const ASKED: &Fields =
    &[("connection", "keep-alive, upgrade, x-private"), ("upgrade", "h2c, WebSocket"), ("x-private", "1")];
const TUNNEL: &Fields = &[("connection", "Upgrade"), ("upgrade", "websocket")];

// R32
#[test]
fn an_allowed_switch_is_asked_for_and_agreed_to_in_our_words() {
    const AGREED: &Fields =
        &[("connection", "upgrade, x-secret"), ("upgrade", "WEBSOCKET"), ("x-secret", "1"), ("content-length", "5")];
    let (response, sent) = switched(ASKED, StatusCode::SWITCHING_PROTOCOLS, AGREED);
    assert_eq!(sent, with(TUNNEL, HeaderMap::new()));
    assert_eq!((response.status(), response.headers()), (StatusCode::SWITCHING_PROTOCOLS, &sent));
}

// R32
#[test]
fn an_upstream_that_does_not_switch_answers_as_ever() {
    let (response, sent) = switched(ASKED, StatusCode::UPGRADE_REQUIRED, TUNNEL);
    assert_eq!(sent.len(), 2);
    assert_eq!((response.status(), response.headers().len()), (StatusCode::UPGRADE_REQUIRED, 0));
}

// R32
#[test]
fn a_switch_to_something_else_is_broken() {
    const OTHERS: [&Fields; 7] = [
        &[("connection", "upgrade"), ("upgrade", "h2c")],
        &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
        &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "websocket")],
        &[("connection", "upgrade")],
        &[("connection", "close"), ("upgrade", "websocket")],
        &[("upgrade", "websocket")],
        &[("connection", "upgrade, host"), ("upgrade", "websocket")],
    ];
    for other in OTHERS {
        let (response, _) = switched(ASKED, StatusCode::SWITCHING_PROTOCOLS, other);
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{other:?}");
        assert!(!response.headers().contains_key("upgrade"), "{other:?}");
    }
}

// R32
#[test]
fn what_is_not_allowed_is_stripped_and_nothing_may_be_switched_to() {
    const OTHERS: [&Fields; 4] = [
        &[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAM")],
        &[("connection", "upgrade"), ("upgrade", "tls/1.0")],
        &[("upgrade", "websocket")],
        &[],
    ];
    for asked in OTHERS {
        let (response, sent) = switched(asked, StatusCode::SWITCHING_PROTOCOLS, TUNNEL);
        assert_eq!((response.status(), sent.len()), (StatusCode::BAD_GATEWAY, 0), "{asked:?}");
    }
    let (response, sent) = switched(&[("connection", "upgrade, host"), ("upgrade", "websocket")], StatusCode::OK, &[]);
    assert_eq!((response.status(), sent.len()), (StatusCode::BAD_REQUEST, 0), "R31");
}

#[test]
fn an_error_of_the_inner_services_passes() {
    let service = HopByHopLayer::default().layer(service_fn(|_: Incoming| ready(Outcome::Err(ScriptedError))));
    assert!(matches!(poll(call(&service, plain()).as_mut()), std::task::Poll::Ready(Err(ScriptedError))));
}

/// R9: nominating a deadline field removes nothing, because it was read before, and is written after.
#[tokio::test(start_paused = true)]
async fn a_nominated_deadline_field_is_read_and_written_fresh() {
    let service = ServiceBuilder::new()
        .layer(AdmitLayer::new(Policy::new()))
        .map_response(|response: Response<AnswerBody<WatchedBody<ScriptedBody>>>| response.map(|_| Bytes::new()))
        .layer(HopByHopLayer::default())
        .layer(PropagateLayer::new())
        .service(service_fn(|request: Incoming| {
            assert!(request.extensions().get::<Deadline>().is_some());
            let fields: Vec<_> = request.headers().get_all("x-request-timeout").iter().collect();
            assert_eq!(fields, ["300ms"]);
            ready(Outcome::Ok(Response::new(ScriptedBody::full("served"))))
        }));
    let asked = request(&[("connection", "x-request-timeout"), ("x-request-timeout", "300ms")]);
    assert_eq!(now_ready(poll(call(&service, asked).as_mut())).status(), StatusCode::OK);
}
