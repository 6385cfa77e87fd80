//! The span of a request.

use super::*;
use crate::testing::{asking, call, data, exceeded, is_at_end, poll, ready};
use crate::trace::{Route, TraceId};
use crate::{Cause, Stage};
use deadline_testkit::{Gate, Probe, ScriptedError, ScriptedService};
use http::Method;
use http_deadline::Ambient;
use opentelemetry::trace::{SpanKind, Status};
use std::future::pending;
use tokio::time::{advance, sleep};
use tower::Layer;

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

macro_rules! service {
    ($handler:expr) => {
        layer().layer(ScriptedService::new(Gate::default(), Probe::default(), $handler))
    };
}

async fn whole(_: Request<WatchedBody<ScriptedBody>>) -> Outcome {
    Ok(answer(200, [Step::Data("charged")]))
}

#[tokio::test(start_paused = true)]
async fn it_goes_from_the_head_to_the_end_of_the_body_and_on_with_the_trace_that_came() {
    let (seen, service) = (Seen::all(), service!(whole));
    let mut request = traced(PARENT);
    request.extensions_mut().insert(Route::new("/orders/{id}"));
    *request.uri_mut() = "/orders/7?secret=1".parse().unwrap();
    let mut response = call(&service, request).await.unwrap();
    assert_eq!(response.extensions().get::<TraceId>().map(ToString::to_string).as_deref(), Some(TRACE));
    assert_eq!(data(response.body_mut()), "charged");
    assert!(seen.ended().is_empty(), "the body has not ended");
    assert!(is_at_end(response.body_mut()));
    drop(response);
    let span = seen.one();
    assert_eq!(
        (span.name.as_ref(), &span.span_kind, &span.status),
        ("GET /orders/{id}", &SpanKind::Server, &Status::Unset)
    );
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!((span.parent_span_id.to_string().as_str(), span.parent_span_is_remote), ("00f067aa0ba902b7", true));
    let told = [
        ("http.request.method", "GET"),
        ("http.route", "/orders/{id}"),
        ("url.path", "/orders/7"),
        ("http.response.status_code", "200"),
        ("deadline.policy", "payment"),
        ("deadline.budget_ms", "300"),
        ("deadline.remaining_ms", "300"),
        ("deadline.origin", "policy"),
        ("deadline.origin_detail", "payment"),
    ];
    assert_tells(&span, &told);
    for untold in ["deadline.stage", "deadline.cause", "error.type"] {
        assert_eq!(attribute(&span, untold), None, "{untold}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_was_stopped_and_whose_limit_it_was_is_told() {
    let seen = Seen::all();
    let service = service!(|_: Request<WatchedBody<ScriptedBody>>| async {
        let journey = Ambient::current().make().cloned().unwrap();
        let open = journey.enter(Stage::Pool);
        sleep(20 * MS).await;
        drop(open);
        let _open = journey.enter(Stage::Database);
        pending::<Outcome>().await
    });
    let mut calling = call(&service, asking("200ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(20 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(180 * MS).await;
    let response = ready(poll(calling.as_mut()));
    assert_eq!(exceeded(&response).stage(), Stage::Database);
    drop((calling, response));
    let span = seen.one();
    let told = [
        ("deadline.budget_ms", "200"),
        ("deadline.origin", "header"),
        ("deadline.origin_detail", "x-request-timeout"),
        ("deadline.stage", "database"),
        ("deadline.cause", "deadline"),
        ("error.type", "timeout"),
        ("http.response.status_code", "504"),
    ];
    assert_tells(&span, &told);
    assert_eq!(span.status, Status::error("deadline in database"));
    let stages = ["stage pool entered", "stage pool left", "stage database entered", "stage database left"];
    assert_eq!(events(&span), stages);
    let left: Vec<_> = span.events.iter().map(|event| event.attributes.last().unwrap().value.to_string()).collect();
    assert_eq!(left, ["200", "180", "180", "0"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_late_on_arrival_has_a_span_too() {
    let (seen, service) = (Seen::all(), service!(whole));
    drop(call(&service, asking("0")).await.unwrap());
    let told = [
        ("deadline.stage", "arrival"),
        ("deadline.cause", "deadline"),
        ("deadline.budget_ms", "0"),
        ("deadline.origin", "header"),
        ("http.response.status_code", "504"),
    ];
    assert_tells(&seen.one(), &told);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_is_told_of_and_a_journey_that_is_kept_keeps_no_span_open() {
    let (seen, kept) = (Seen::all(), Arc::new(Mutex::new(None)));
    let keeps = Arc::clone(&kept);
    let service = service!(move |_: Request<WatchedBody<ScriptedBody>>| {
        *keeps.lock().unwrap() = Ambient::current().make().cloned();
        pending::<Outcome>()
    });
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    assert!(seen.ended().is_empty());
    drop(calling);
    let span = seen.one();
    assert_tells(
        &span,
        &[("deadline.stage", "handler"), ("deadline.cause", "client_gone"), ("error.type", "client_gone")],
    );
    let journey = kept.lock().unwrap().take().unwrap();
    assert_eq!(journey.cause(), Some(Cause::ClientGone));
    drop(journey.enter(Stage::Pool));
    assert_eq!(seen.ended().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_span_around_it_is_its_parent_whatever_came() {
    let (seen, service) = (Seen::all(), service!(whole));
    let around = tracing::info_span!("of the app");
    let entered = around.clone().entered();
    drop(call(&service, traced(PARENT)).await.unwrap());
    drop((entered, around));
    let [ours, theirs] = seen.ended().try_into().unwrap();
    assert_eq!(ours.parent_span_id, theirs.span_context.span_id());
    assert_eq!(ours.span_context.trace_id(), theirs.span_context.trace_id());
    assert_ne!(ours.span_context.trace_id().to_string(), TRACE, "theirs did not read it");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_parent_begins_a_trace_and_stops_nothing() {
    for parent in ["", "00-xyz", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let (seen, service) = (Seen::all(), service!(whole));
        assert_eq!(call(&service, traced(parent)).await.unwrap().status(), 200);
        let span = seen.one();
        assert!(span.parent_span_id == opentelemetry::trace::SpanId::INVALID && span.span_context.is_valid());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_front_did_not_keep_is_not_kept_and_still_has_a_trace() {
    let (seen, service) = (Seen::all(), service!(whole));
    let response = call(&service, traced(&PARENT.replace("-01", "-00"))).await.unwrap();
    assert_eq!(response.extensions().get::<TraceId>().map(ToString::to_string).as_deref(), Some(TRACE));
    drop(response);
    assert!(seen.ended().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_up_names_or_fills_a_span() {
    let (seen, service) = (Seen::all(), service!(whole));
    let mut request = plain();
    *request.method_mut() = Method::from_bytes(b"MADE-UP").unwrap();
    *request.uri_mut() = format!("/{}", "x".repeat(50_000)).parse().unwrap();
    drop(call(&service, request).await.unwrap());
    let span = seen.one();
    assert_eq!(span.name, "HTTP");
    assert_tells(&span, &[("http.request.method", "_OTHER")]);
    assert_eq!(attribute(&span, "url.path").unwrap().len(), 256);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_server_is_an_error_and_one_of_the_client_is_none() {
    for (status, error) in [(500, Some("500")), (503, Some("503")), (404, None), (200, None)] {
        let seen = Seen::all();
        let service =
            service!(move |_: Request<WatchedBody<ScriptedBody>>| async move { Outcome::Ok(answer(status, [])) });
        let mut response = call(&service, plain()).await.unwrap();
        assert!(is_at_end(response.body_mut()));
        drop(response);
        let span = seen.one();
        assert_eq!(attribute(&span, "error.type").as_deref(), error, "{status}");
        assert_eq!(span.status != Status::Unset, error.is_some(), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_works_for_the_request_does_so_within_its_span() {
    let (seen, at) = (Seen::all(), Arc::new(Mutex::new(Vec::new())));
    let notes = Arc::clone(&at);
    let service = service!(move |_: Request<WatchedBody<ScriptedBody>>| {
        let notes = Arc::clone(&notes);
        let note = move || notes.lock().unwrap().push(TraceId::current());
        note();
        async move {
            note();
            sleep(MS).await;
            note();
            Outcome::Ok(answer(200, []))
        }
    });
    drop(call(&service, traced(PARENT)).await.unwrap());
    let noted: Vec<_> = at.lock().unwrap().drain(..).map(|trace| trace.map(|trace| trace.to_string())).collect();
    assert_eq!(noted, vec![Some(TRACE.to_owned()); 3]);
    assert_eq!(TraceId::current(), None);
    drop(seen);
}

#[tokio::test(start_paused = true)]
async fn what_switches_protocols_tells_its_status_and_its_trace_too() {
    let (seen, service) = (Seen::all(), service!(|_| async { Ok(answer(101, [])) }));
    let response = call(&service, traced(PARENT)).await.unwrap();
    assert_eq!(response.extensions().get::<TraceId>().map(ToString::to_string).as_deref(), Some(TRACE));
    drop(response);
    assert_tells(&seen.one(), &[("http.response.status_code", "101")]);
}
