//! R1: two layers resolve to the sooner, whichever stands outside.

use crate::testing::{MS, asking, call, data, error, exceeded, journey, plain, poll, poll_frame, ready as now_ready};
use crate::timer::tests::armed;
use crate::{BodyError, Cause, Deadline, DeadlineLayer, Journey, Mode, Policy, Stage, WatchedBody, now};
use deadline_testkit::{ScriptedBody, ScriptedError, Step};
use http::{Request, Response};
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::advance;
use tower::util::MapRequestLayer;
use tower::{ServiceBuilder, service_fn};

type Incoming = Request<WatchedBody<WatchedBody<ScriptedBody>>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_millis(500);

fn layer(timeout: Duration, hop: &str) -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().named(hop).default_timeout(timeout)).hop(hop)
}

#[tokio::test(start_paused = true)]
async fn the_sooner_one_ends_the_head_in_both_orders() {
    for (outer, inner, ends) in [(SHORT, LONG, "outer"), (LONG, SHORT, "inner"), (SHORT, SHORT, "outer")] {
        let service = ServiceBuilder::new()
            .layer(layer(outer, "outer"))
            .layer(layer(inner, "inner"))
            .service(service_fn(|_: Incoming| pending::<Outcome>()));
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        assert_eq!(armed(), if ends == "inner" { 2 } else { 1 }, "a layer that shortens nothing arms nothing");
        advance(SHORT - MS).await;
        assert!(poll(calling.as_mut()).is_pending());
        advance(MS).await;
        let response = now_ready(poll(calling.as_mut()));
        assert_eq!(exceeded(&response).origin().detail().to_string(), ends);
        let fields: Vec<_> = response.headers().get_all("deadline-exceeded").iter().collect();
        let field = format!("origin=policy, stage=handler, cause=deadline, hop=\"{ends}\"");
        assert_eq!(fields, [field.as_str()], "answered once");
        drop(response);
        assert_eq!(armed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_sooner_one_ends_the_body_in_both_orders() {
    for (outer, inner) in [(SHORT, LONG), (LONG, SHORT)] {
        let service = ServiceBuilder::new()
            .layer(layer(outer, "outer"))
            .layer(layer(inner, "inner"))
            .service(service_fn(|_: Incoming| ready(Outcome::Ok(Response::new(ScriptedBody::new([Step::Stall]))))));
        let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
        advance(SHORT - MS).await;
        assert!(poll_frame(&mut body).is_pending());
        advance(MS).await;
        let error: crate::BoxError = error(&mut body).into();
        assert_eq!(crate::Exceeded::find(&*error).map(|exceeded| exceeded.budget()), Some(SHORT));
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_deadline_put_between_them_lengthens_nothing() {
    let later = |mut request: Request<WatchedBody<ScriptedBody>>| {
        request.extensions_mut().insert(Deadline::after(now(), 10 * LONG));
        request
    };
    let service = ServiceBuilder::new()
        .layer(layer(SHORT, "outer"))
        .layer(MapRequestLayer::new(later))
        .layer(layer(LONG, "inner"))
        .service(service_fn(|request: Incoming| {
            let deadline = request.extensions().get::<Deadline>().copied().unwrap();
            assert_eq!(deadline.budget(), SHORT);
            pending::<Outcome>()
        }));
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    advance(SHORT).await;
    assert_eq!(exceeded(&now_ready(poll(calling.as_mut()))).budget(), SHORT);
}

// R11
#[tokio::test(start_paused = true)]
async fn what_is_ready_at_the_very_instant_passes_both() {
    for (outer, inner) in [(SHORT, LONG), (LONG, SHORT), (SHORT, SHORT)] {
        let service = ServiceBuilder::new().layer(layer(outer, "outer")).layer(layer(inner, "inner")).service(
            service_fn(|_: Incoming| async {
                tokio::time::sleep(SHORT).await;
                Outcome::Ok(Response::new(ScriptedBody::new([Step::Data("in time")])))
            }),
        );
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        advance(SHORT).await;
        let response = now_ready(poll(calling.as_mut()));
        assert!(response.status().is_success() && !response.headers().contains_key("deadline-exceeded"));
        assert_eq!(data(&mut response.into_body()), "in time");
    }
}

/// What a request reads within both is bound by the outer deadline, though it belongs to the inner request.
#[tokio::test(start_paused = true)]
async fn the_request_body_ends_with_the_sooner_one() {
    let mut request = plain();
    *request.body_mut() = ScriptedBody::new([Step::Stall]);
    let service = ServiceBuilder::new().layer(layer(SHORT, "outer")).layer(layer(LONG, "inner")).service(service_fn(
        |request: Incoming| async {
            let read = http_body_util::BodyExt::collect(request.into_body()).await;
            assert!(read.is_err(), "never read");
            Outcome::Ok(Response::new(ScriptedBody::full("")))
        },
    ));
    let mut calling = call(&service, request);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(SHORT).await;
    assert_eq!(exceeded(&now_ready(poll(calling.as_mut()))).stage(), Stage::RequestBody);
}

/// The journey that the handler sees, after the whole was called, and possibly dropped.
fn seen(seen: &Arc<Mutex<Option<Journey>>>, request: &Incoming) {
    *seen.lock().unwrap() = Some(journey(request));
}

/// The inner layer is dropped by the outer one, not by the client.
#[tokio::test(start_paused = true)]
async fn the_inner_request_stops_for_the_cause_of_the_outer_one() {
    let inner = Arc::<Mutex<Option<Journey>>>::default();
    let kept = Arc::clone(&inner);
    let service = ServiceBuilder::new().layer(layer(SHORT, "outer")).layer(layer(LONG, "inner")).service(service_fn(
        move |request: Incoming| {
            seen(&kept, &request);
            pending::<Outcome>()
        },
    ));
    for (spent, cause) in [(SHORT, Cause::Deadline), (Duration::ZERO, Cause::ClientGone)] {
        let mut calling = call(&service, plain());
        assert!(poll(calling.as_mut()).is_pending());
        advance(spent).await;
        let _ = poll(calling.as_mut());
        drop(calling);
        assert_eq!(inner.lock().unwrap().as_ref().and_then(Journey::cause), Some(cause));
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_body_stops_for_the_cause_of_the_outer_one() {
    let inner = Arc::<Mutex<Option<Journey>>>::default();
    let kept = Arc::clone(&inner);
    let service = ServiceBuilder::new().layer(layer(SHORT, "outer")).layer(layer(LONG, "inner")).service(service_fn(
        move |request: Incoming| {
            seen(&kept, &request);
            ready(Outcome::Ok(Response::new(ScriptedBody::new([Step::Data("some"), Step::Stall]))))
        },
    ));
    for (spent, cause) in [(SHORT, Cause::Deadline), (Duration::ZERO, Cause::ClientGone)] {
        let mut body = now_ready(poll(call(&service, plain()).as_mut())).into_body();
        data(&mut body);
        advance(spent).await;
        let _ = poll_frame(&mut body);
        drop(body);
        assert_eq!(inner.lock().unwrap().as_ref().and_then(Journey::cause), Some(cause));
    }
}

/// The paved path: header in, answer out.
#[tokio::test(start_paused = true)]
async fn one_layer_holds_a_request_to_its_header() {
    let service = ServiceBuilder::new()
        .layer(layer(LONG, "orders"))
        .service(service_fn(|_: Request<WatchedBody<ScriptedBody>>| pending::<Outcome>()));
    let mut calling = call(&service, asking("200ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(SHORT - MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(response.status(), http::StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let mut body = response.into_body();
    let document: serde_json::Value = serde_json::from_slice(&data(&mut body)).unwrap();
    let expected = ("handler", "header", 200, "orders");
    let told = (&document["stage"], &document["origin"], &document["budget_ms"], &document["hop"]);
    assert_eq!(told, (&expected.0.into(), &expected.1.into(), &expected.2.into(), &expected.3.into()));
}

#[tokio::test(start_paused = true)]
async fn one_layer_that_only_observes_changes_nothing() {
    let policy = Policy::new().default_timeout(SHORT).min(MS).mode(Mode::Observe);
    let service = ServiceBuilder::new().layer(DeadlineLayer::new(policy)).service(service_fn(
        |_: Request<WatchedBody<ScriptedBody>>| async {
            tokio::time::sleep(LONG).await;
            Outcome::Ok(Response::new(ScriptedBody::new([Step::Wait, Step::Data("late")])))
        },
    ));
    for request in [asking("0"), asking("abc"), asking("100ms"), plain()] {
        let mut calling = call(&service, request);
        assert!(poll(calling.as_mut()).is_pending());
        advance(LONG).await;
        let response = now_ready(poll(calling.as_mut()));
        assert!(response.status().is_success() && response.headers().is_empty());
        let mut body = response.into_body();
        assert!(poll_frame(&mut body).is_pending());
        assert_eq!((data(&mut body), armed()), ("late".into(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_boxed_error_is_looked_into_where_that_is_said() {
    let service = ServiceBuilder::new().layer(DeadlineLayer::new(Policy::new()).boxed_errors()).service(service_fn(
        |_: Request<WatchedBody<ScriptedBody>>| {
            let exceeded = crate::Exceeded::new(Deadline::at(now()), Stage::Database, Cause::Deadline, now());
            ready(Err::<Response<ScriptedBody>, crate::BoxError>(BodyError::Exceeded(exceeded).into()))
        },
    ));
    let response = now_ready(poll(call(&service, plain()).as_mut()));
    assert_eq!(exceeded(&response).stage(), Stage::Database);
}
