//! What must happen if the deadline passes in each phase: the project's table, case by case.

use crate::propagate::PropagateLayer;
use crate::testing::{BUDGET, asking, call, exceeded, finished, poll, ready as now_ready, settle};
use crate::timer::tests::armed;
use crate::{Cause, DeadlineLayer, DeadlineService, Journey, Policy, RequestEnded, Stage, WatchedBody, spawn};
use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService, Step};
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

const TABLE: &str = include_str!("../../../../http-deadline/tests/vectors/expiry_phase.json");

/// Cases that cannot be shown here, and why.
const ELSEWHERE: [(&str, &str); 3] = [
    ("expiry_phase-004", "needs a socket: what HTTP/1.1 shows of a body that ends in an error"),
    ("expiry_phase-005", "needs a socket: what HTTP/2 shows of it; that the error says CANCEL is tested in enforce"),
    ("expiry_phase-010", "needs a database"),
];

/// Fields of the table that other crates fill, and why.
const LATER: [(&str, &str); 1] = [("headroom_recorded", "recorded by the metrics, which are an issue of their own")];

type Scenario = Pin<Box<dyn Future<Output = Value>>>;
type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

fn scenarios() -> BTreeMap<&'static str, fn() -> Scenario> {
    BTreeMap::from([
        ("expiry_phase-001", (|| Box::pin(in_the_queue())) as fn() -> Scenario),
        ("expiry_phase-002", || Box::pin(reading_the_request_body())),
        ("expiry_phase-007", || Box::pin(waiting_for_upstream())),
        ("expiry_phase-008", || Box::pin(between_attempts())),
        ("expiry_phase-011", || Box::pin(with_a_child())),
        ("expiry_phase-013", || Box::pin(at_the_very_instant())),
        ("expiry_phase-014", || Box::pin(after_the_response())),
    ])
}

#[tokio::test(start_paused = true)]
async fn every_phase_ends_as_the_table_says() {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    let mut scenarios = scenarios();
    for case in table["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let Some(scenario) = scenarios.remove(id) else {
            assert!(ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == id), "{id} is not mapped");
            continue;
        };
        let mut expected: Map<_, _> = case["out"].as_object().unwrap().clone();
        expected.retain(|field, _| LATER.iter().all(|(later, _)| later != field));
        let shown = scenario().await;
        for (field, value) in expected {
            assert_eq!(shown[&field], value, "{id}, {}: {field}", case["in"]["phase"]);
        }
    }
    assert!(scenarios.is_empty(), "not in the table: {:?}", scenarios.keys());
}

fn layer() -> DeadlineLayer {
    DeadlineLayer::new(Policy::new())
}

/// Calls a service with 300 ms, waits for them to pass, and tells status and stage.
async fn expired<S>(service: DeadlineService<S>, body: ScriptedBody) -> Map<String, Value>
where
    S: tower::Service<Incoming, Response = Response<ScriptedBody>> + Clone,
    S::Error: std::error::Error + 'static,
{
    let mut request = asking("300ms");
    *request.body_mut() = body;
    let mut calling = call(&service, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1, "R12");
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    let (status, stage) = (response.status().as_u16(), exceeded(&response).stage());
    Map::from_iter([("status".into(), status.into()), ("stage".into(), stage.as_str().into())])
}

async fn in_the_queue() -> Value {
    let probe = Probe::default();
    let handler = |_: Incoming| pending::<Outcome>();
    let service = layer().layer(ScriptedService::new(Gate::closed(), probe.clone(), handler));
    let mut shown = expired(service, ScriptedBody::full("")).await;
    shown.insert("handler_called".into(), (probe.called() > 0).into());
    shown.into()
}

async fn reading_the_request_body() -> Value {
    let service = layer().layer(service_fn(|request: Incoming| async {
        request.into_body().collect().await.map_err(|_| ScriptedError)?;
        Outcome::Ok(Response::new(ScriptedBody::full("")))
    }));
    expired(service, ScriptedBody::new([Step::Stall])).await.into()
}

async fn waiting_for_upstream() -> Value {
    let probe = Probe::default();
    let upstream = probe.clone();
    let client = PropagateLayer::new().layer(service_fn(move |_: Request<()>| upstream.watch(pending::<Outcome>())));
    let service = layer().layer(service_fn(move |_: Incoming| {
        let calling = client.clone().oneshot(Request::new(()));
        async {
            let response = calling.await?;
            Ok::<_, crate::PropagateError>(response.map(|_| ScriptedBody::full("")))
        }
    }));
    let mut shown = expired(service, ScriptedBody::full("")).await;
    assert_eq!(shown["stage"], Stage::Upstream.as_str());
    shown.insert("upstream_cancelled".into(), (probe.dropped() == 1).into());
    shown.into()
}

/// The retry layers are an issue of their own; a handler that pauses between two attempts looks the same.
async fn between_attempts() -> Value {
    let probe = Probe::default();
    let backoff = probe.clone();
    let service = layer().layer(service_fn(move |request: Incoming| {
        let journey = request.extensions().get::<Journey>().cloned().unwrap();
        let pause = backoff.watch(sleep(10 * BUDGET));
        async move {
            let _open = journey.enter(Stage::Backoff);
            pause.await;
            Outcome::Ok(Response::new(ScriptedBody::full("")))
        }
    }));
    let mut shown = expired(service, ScriptedBody::full("")).await;
    assert_eq!(shown["stage"], Stage::Backoff.as_str());
    shown.insert("sleep_aborted".into(), (probe.dropped() == 1).into());
    shown.into()
}

async fn with_a_child() -> Value {
    let child = Arc::<Mutex<Option<JoinHandle<Result<(), RequestEnded>>>>>::default();
    let kept = Arc::clone(&child);
    let service = layer().layer(service_fn(move |_: Incoming| {
        *kept.lock().unwrap() = Some(spawn(pending()));
        pending::<Outcome>()
    }));
    let mut shown = expired(service, ScriptedBody::full("")).await;
    let child = child.lock().unwrap().take().unwrap();
    let ended = finished(child).await.unwrap_err();
    shown.insert("child_cancelled".into(), (ended.cause() == Some(Cause::Deadline)).into());
    shown.into()
}

async fn at_the_very_instant() -> Value {
    let service = layer().layer(service_fn(|_: Incoming| async {
        sleep(BUDGET).await;
        Outcome::Ok(Response::new(ScriptedBody::full("in time")))
    }));
    let mut calling = call(&service, asking("300ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(BUDGET).await;
    let response = now_ready(poll(calling.as_mut()));
    let delivered = response.status().is_success();
    let both = delivered && response.extensions().get::<crate::Exceeded>().is_some();
    json!({ "result": if delivered { "response" } else { "exceeded" }, "never": (!both).then_some("both") })
}

async fn after_the_response() -> Value {
    let journey = Arc::<Mutex<Option<Journey>>>::default();
    let kept = Arc::clone(&journey);
    let service = layer().layer(service_fn(move |request: Incoming| {
        *kept.lock().unwrap() = request.extensions().get().cloned();
        ready(Outcome::Ok(Response::new(ScriptedBody::full("in time"))))
    }));
    let response = now_ready(poll(call(&service, asking("300ms")).as_mut()));
    let read = response.into_body().collect().await.unwrap().to_bytes();
    advance(2 * BUDGET).await;
    settle().await;
    let cause = journey.lock().unwrap().as_ref().and_then(Journey::cause);
    json!({ "no_effect": read == "in time" && cause.is_none() && armed() == 0 })
}
