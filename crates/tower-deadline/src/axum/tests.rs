use super::*;
use crate::testing::{MS, exceeded};
use crate::{Cause, DeadlineLayer, OriginKind, Policy, Stage, now};
use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::Request;
use http_body_util::BodyExt;
use std::future::pending;
use std::num::ParseIntError;
use tower::ServiceExt;

async fn budget(RequestDeadline(deadline): RequestDeadline) -> String {
    deadline.budget().as_millis().to_string()
}

async fn optional(deadline: Option<RequestDeadline>) -> String {
    deadline.map_or("none".to_owned(), |RequestDeadline(deadline)| deadline.budget().as_millis().to_string())
}

async fn extension(Extension(deadline): Extension<Deadline>) -> String {
    deadline.budget().as_millis().to_string()
}

async fn not_a_number() -> Result<String, Failure> {
    Ok("twelve".parse::<u32>()?.to_string())
}

async fn too_slow() -> Result<String, Failure> {
    let deadline = Deadline::after(now(), 20 * MS);
    crate::scope(deadline, pending::<()>()).await.map_err(std::io::Error::other)?;
    Ok(String::new())
}

fn app(policy: Policy) -> Router {
    bare().layer(DeadlineLayer::new(policy).hop("orders"))
}

fn bare() -> Router {
    Router::new()
        .route("/budget", get(budget))
        .route("/optional", get(optional))
        .route("/extension", get(extension))
        .route("/number", get(not_a_number))
        .route("/slow", get(too_slow))
        .route("/silent", get(pending::<String>))
}

async fn fetch(app: &Router, path: &str, timeout: Option<&str>) -> (http::response::Parts, String) {
    let mut request = Request::get(path);
    if let Some(timeout) = timeout {
        request = request.header("x-request-timeout", timeout);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (head, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_an_argument_required_optional_or_an_extension() {
    let app = app(Policy::new());
    for path in ["/budget", "/optional", "/extension"] {
        let (head, text) = fetch(&app, path, Some("300ms")).await;
        assert_eq!((head.status, text.as_str()), (StatusCode::OK, "300"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_optional_form_is_none_and_the_other_a_fault_of_the_service() {
    for app in [app(Policy::new()), bare()] {
        assert_eq!(fetch(&app, "/optional", None).await.1, "none");
        let (head, text) = fetch(&app, "/budget", None).await;
        assert_eq!((head.status, text), (StatusCode::INTERNAL_SERVER_ERROR, NoDeadline.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_lack_of_time_becomes_the_whole_answer() {
    let (head, text) = fetch(&app(Policy::new().status(StatusCode::SERVICE_UNAVAILABLE)), "/slow", Some("1s")).await;
    assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["stage"], &document["budget_ms"]), (&"handler".into(), &20.into()));
    let reason: &Exceeded = head.extensions.get().unwrap();
    assert_eq!((reason.cause(), reason.origin().kind()), (Cause::Deadline, OriginKind::Code));
    assert!(head.extensions.get::<Failure>().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_lack_of_time_is_a_504_also_where_nobody_rescues() {
    let (head, text) = fetch(&bare(), "/slow", None).await;
    assert_eq!((head.status, text.as_str()), (StatusCode::GATEWAY_TIMEOUT, ""));
    assert!(head.extensions.get::<Exceeded>().is_some());
}

#[tokio::test(start_paused = true)]
async fn any_other_failure_tells_the_client_nothing_and_an_outer_layer_everything() {
    let (head, text) = fetch(&app(Policy::new()), "/number", Some("1s")).await;
    assert_eq!((head.status, text.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
    let failure: &Failure = head.extensions.get().unwrap();
    assert!(failure.error().is::<ParseIntError>());
    assert!(head.extensions.get::<Exceeded>().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_held_to_the_header() {
    let start = now();
    let request = Request::get("/silent").header("x-request-timeout", "300ms").body(Body::empty()).unwrap();
    let response = app(Policy::new()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((exceeded(&response).stage(), now() - start), (Stage::Handler, 300 * MS));
}

#[test]
fn a_client_that_failed_is_a_bad_gateway() {
    let failed = Failure::from(PropagateError::Inner("connection refused".into())).into_response();
    assert_eq!(failed.status(), StatusCode::BAD_GATEWAY);
    let missing = Failure::from(PropagateError::Missing { site: std::panic::Location::caller() }).into_response();
    assert_eq!(missing.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
