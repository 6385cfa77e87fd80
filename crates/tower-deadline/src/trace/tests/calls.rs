//! The span of an outgoing call.

use super::*;
use crate::testing::{call, data, is_at_end, poll, within};
use crate::{CallEvent, Deadline, Journey, PropagateError, Stage, now};
use http_deadline::Ambient;
use opentelemetry::trace::{SpanKind, Status};
use std::future::pending;
use std::time::Duration;
use tokio::time::advance;
use tower::{Layer, ServiceExt};

/// A handler that calls, and answers with what it is answered.
fn calls(
    sent: &Sent,
) -> impl Service<Request<ScriptedBody>, Response = Response<impl http_body::Body>, Error = PropagateError> + Clone {
    let client = upstream(sent, 200);
    let handler = service_fn(move |_: Request<WatchedBody<ScriptedBody>>| {
        let request = Request::post("http://payments.internal:8080/charge").body(()).unwrap();
        client.clone().oneshot(request)
    });
    layer().layer(handler)
}

#[tokio::test(start_paused = true)]
async fn it_is_a_child_of_the_requests_and_the_parent_of_the_next_hops() {
    let (seen, sent) = (Seen::all(), Sent::default());
    let mut request = traced(PARENT);
    request.headers_mut().insert("tracestate", "congo=t61".parse().unwrap());
    drop(call(&calls(&sent), request).await.unwrap());
    let [call, request] = seen.ended().try_into().unwrap();
    assert_eq!((call.name.as_ref(), &call.span_kind), ("POST", &SpanKind::Client));
    assert_eq!(call.parent_span_id, request.span_context.span_id());
    let told = [
        ("http.request.method", "POST"),
        ("server.address", "payments.internal"),
        ("server.port", "8080"),
        ("http.response.status_code", "200"),
        ("deadline.policy", "payment"),
        ("deadline.remaining_ms", "300"),
        ("deadline.origin", "policy"),
    ];
    assert_tells(&call, &told);
    let sent = &sent.lock().unwrap()[0];
    assert_eq!(field(sent, "traceparent"), Some(format!("00-{TRACE}-{}-01", call.span_context.span_id())));
    assert_eq!(field(sent, "tracestate").as_deref(), Some("congo=t61"));
}

#[tokio::test(start_paused = true)]
async fn the_server_is_told_by_the_address_and_not_by_the_word_of_whoever_asked() {
    for (uri, host, told) in [
        ("http://a.example/", "b.example:1", (Some("a.example"), None)),
        ("http://[::1]:81/", "b.example:1", (Some("[::1]"), Some("81"))),
        ("/", "b.example:81", (None, None)),
    ] {
        let seen = Seen::all();
        let request = Request::get(uri).header("host", host).body(()).unwrap();
        drop(upstream(&Sent::default(), 200).oneshot(request).await.unwrap());
        let span = seen.one();
        let (server, port) = (attribute(&span, "server.address"), attribute(&span, "server.port"));
        assert_eq!((server.as_deref(), port.as_deref()), told, "{uri} {host}");
    }
}

// R22
#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_span_and_a_parent_of_its_own_in_place_of_what_stood_there() {
    let (seen, sent) = (Seen::all(), Sent::default());
    let client = upstream(&sent, 503);
    for _ in 0..2 {
        let request = Request::get("/").header("traceparent", PARENT).header("tracestate", "stale=1").body(()).unwrap();
        drop(client.clone().oneshot(request).await.unwrap());
    }
    let spans = seen.ended();
    let parents: Vec<_> = sent.lock().unwrap().iter().map(|sent| field(sent, "traceparent").unwrap()).collect();
    let own = |span: &SpanData| format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(parents, spans.iter().map(own).collect::<Vec<_>>());
    assert_ne!(parents[0], parents[1]);
    assert!(sent.lock().unwrap().iter().all(|sent| sent.get_all("traceparent").iter().count() == 1));
    assert!(sent.lock().unwrap().iter().all(|sent| !sent.contains_key("tracestate")));
    assert!(spans.iter().all(|span| attribute(span, "error.type").as_deref() == Some("503")));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_carried_on_as_such() {
    let (seen, sent) = (Seen::all(), Sent::default());
    drop(call(&calls(&sent), traced(&PARENT.replace("-01", "-00"))).await.unwrap());
    let parent = field(&sent.lock().unwrap()[0], "traceparent").unwrap();
    assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-00"), "{parent}");
    assert!(!parent.contains("00f067aa0ba902b7") && seen.ended().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_body_that_came_back() {
    let seen = Seen::all();
    let mut response = upstream(&Sent::default(), 200).oneshot(Request::new(())).await.unwrap();
    assert_eq!(data(response.body_mut()), "charged");
    assert!(seen.ended().is_empty());
    assert!(is_at_end(response.body_mut()));
    assert_eq!(seen.one().status, Status::Unset);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_or_stalls_is_told_of() {
    for (step, after, kind) in [(Step::Error, 99, "_OTHER"), (Step::Stall, 100, "timeout")] {
        let seen = Seen::all();
        let answers = service_fn(move |_: Request<ScriptedBody>| {
            let answer = answer(200, [Step::Data("char"), step.clone()]);
            async move { Ok::<_, BoxError>(answer) }
        });
        let mut response = PropagateLayer::new().layer(answers).oneshot(within(100 * MS)).await.unwrap();
        assert_eq!(data(response.body_mut()), "char");
        advance(after * MS).await;
        drop(crate::testing::error(response.body_mut()));
        let span = seen.one();
        assert_eq!(attribute(&span, "error.type").as_deref(), Some(kind));
        assert_ne!(span.status, Status::Unset);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_stopped_by_itself_with_its_request_or_for_no_reason_says_so() {
    let silent = service_fn(|_: Request<_>| pending::<Result<Response<ScriptedBody>, BoxError>>());
    let client = PropagateLayer::new().layer(silent);
    // By its own deadline.
    let seen = Seen::all();
    let mut calling = call(&client, within(100 * MS));
    assert!(poll(calling.as_mut()).is_pending());
    advance(100 * MS).await;
    assert!(poll(calling.as_mut()).is_ready());
    assert_tells(
        &seen.one(),
        &[("deadline.stage", "upstream"), ("deadline.cause", "deadline"), ("error.type", "timeout")],
    );
    // With the request that it is part of.
    let seen = Seen::all();
    let service =
        layer().layer(service_fn(move |_: Request<WatchedBody<ScriptedBody>>| client.clone().oneshot(plain())));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(300 * MS).await;
    assert!(poll(calling.as_mut()).is_ready());
    drop(calling);
    let [of_call, of_request] = seen.ended().try_into().unwrap();
    for span in [&of_call, &of_request] {
        assert_tells(
            span,
            &[("deadline.stage", "upstream"), ("deadline.cause", "deadline"), ("error.type", "timeout")],
        );
    }
    // Let go of.
    let seen = Seen::all();
    let mut calling = call(&PropagateLayer::new().layer(silent), plain());
    assert!(poll(calling.as_mut()).is_pending());
    drop(calling);
    assert_tells(&seen.one(), &[("deadline.stage", "upstream"), ("deadline.cause", "cancelled")]);
}

// R16
#[tokio::test(start_paused = true)]
async fn a_call_with_nothing_left_is_told_though_it_is_not_sent() {
    let (seen, sent) = (Seen::all(), Sent::default());
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), Duration::ZERO));
    assert!(upstream(&sent, 200).oneshot(request).await.is_err());
    assert_tells(&seen.one(), &[("deadline.stage", "unsent"), ("error.type", "timeout"), ("deadline.budget_ms", "0")]);
    assert!(sent.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fails_is_told_with_its_reason() {
    let seen = Seen::all();
    let fails =
        service_fn(|_: Request<()>| async { Err::<Response<ScriptedBody>, _>(BoxError::from("refused by peer")) });
    assert!(PropagateLayer::new().layer(fails).oneshot(Request::new(())).await.is_err());
    let span = seen.one();
    assert_eq!(
        (attribute(&span, "error.type").as_deref(), &span.status),
        (Some("_OTHER"), &Status::error("refused by peer"))
    );
}

#[tokio::test(start_paused = true)]
async fn its_steps_are_told_in_it_and_not_in_the_requests() {
    let seen = Seen::all();
    let client = PropagateLayer::new().layer(service_fn(|request: Request<()>| {
        let journey: Journey = request.extensions().get().cloned().unwrap();
        async move {
            let refused = std::io::Error::other("refused");
            let open = journey.enter(Stage::Connect);
            journey.tell(&CallEvent::ConnectStart { address: format_args!("{}:{}", "127.0.0.1", 80) });
            journey.tell(&CallEvent::ConnectEnd { error: Some(&refused) });
            drop(open);
            journey.tell(&CallEvent::Connected { reused: true, idle: Some(40 * MS) });
            Ok::<_, BoxError>(answer(200, []))
        }
    }));
    let service = layer()
        .layer(service_fn(move |_: Request<WatchedBody<ScriptedBody>>| client.clone().oneshot(Request::new(()))));
    drop(call(&service, plain()).await.unwrap());
    let [call, request] = seen.ended().try_into().unwrap();
    let steps = [
        "stage connect entered",
        "connect_start 127.0.0.1:80",
        "connect_end refused",
        "stage connect left",
        "connected true 40",
        "first_byte",
    ];
    assert_eq!(events(&call), steps);
    let stages = ["stage upstream entered", "stage connect entered", "stage connect left", "stage upstream left"];
    assert_eq!(events(&request), stages);
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_are_told_apart() {
    let seen = Seen::all();
    let client = PropagateLayer::new().layer(service_fn(|request: Request<&'static str>| {
        let journey: Journey = request.extensions().get().cloned().unwrap();
        async move {
            for _ in 0..3 {
                journey.tell(&CallEvent::ResolveStart { name: request.body() });
                tokio::task::yield_now().await;
            }
            Ok::<_, BoxError>(answer(200, []))
        }
    }));
    let service = layer().layer(service_fn(move |_: Request<WatchedBody<ScriptedBody>>| {
        let (one, other) = (client.clone().oneshot(Request::new("one")), client.clone().oneshot(Request::new("other")));
        async move {
            let (one, other) = tokio::join!(one, other);
            other.map(drop)?;
            one
        }
    }));
    drop(call(&service, plain()).await.unwrap());
    let told: Vec<_> = seen.ended().iter().filter(|span| span.span_kind == SpanKind::Client).map(events).collect();
    assert_eq!(told.len(), 2);
    for (events, name) in told.iter().zip(["other", "one"]) {
        let asked = format!("resolve_start {name}");
        assert_eq!(*events, [asked.as_str(), &asked, &asked, "first_byte"]);
    }
    assert!(Ambient::current().journey().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_carries_the_span_that_is_entered() {
    let seen = Seen::all();
    let span = tracing::info_span!("of the app");
    let mut headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), PARENT.parse().unwrap())]);
    let written = span.in_scope(|| PropagateLayer::new().write(&mut headers, &http::Extensions::new()));
    assert!(written.unwrap().is_none());
    drop(span);
    let span = seen.one().span_context;
    assert_eq!(field(&headers, "traceparent"), Some(format!("00-{}-{}-01", span.trace_id(), span.span_id())));
}
