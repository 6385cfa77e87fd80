use super::*;
use crate::testing::{MS, call, data, exceeded, is_at_end, plain, poll, ready as now_ready, under};
use crate::{BodyError, Cause, Deadline, Mode, Policy, PropagateError, PropagateLayer, Stage, WatchedBody, now};
use deadline_testkit::{ScriptedBody, ScriptedError, Step};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use std::future::{pending, ready as answer};
use std::io;
use tower::util::ServiceFn;
use tower::{ServiceBuilder, ServiceExt, service_fn};

type Incoming = Request<ScriptedBody>;

fn stopped() -> Exceeded {
    let deadline = Deadline::after(now(), 300 * MS);
    Exceeded::new(deadline, Stage::Database, Cause::Deadline, now() + 300 * MS)
}

/// A service that ends like this.
fn ending<E>(
    outcome: impl Fn() -> Result<Response<ScriptedBody>, E> + Clone,
) -> ServiceFn<impl Fn(Incoming) -> std::future::Ready<Result<Response<ScriptedBody>, E>> + Clone> {
    service_fn(move |_: Incoming| answer(outcome()))
}

/// A response with the reason beside it.
fn with_reason(body: ScriptedBody) -> Response<ScriptedBody> {
    let mut response = Response::new(body);
    response.extensions_mut().insert(stopped());
    response
}

/// Asserts that this is the whole of our answer.
#[track_caller]
fn is_full_answer<B>(response: Response<B>)
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[&DEADLINE_EXCEEDED], "origin=code, stage=database, cause=deadline");
    assert_eq!(exceeded(&response).stage(), Stage::Database);
    let mut body = response.into_body();
    let document: serde_json::Value = serde_json::from_slice(&data(&mut body)).unwrap();
    assert_eq!((&document["status"], &document["stage"]), (&504.into(), &"database".into()));
    assert!(is_at_end(&mut body));
}

#[tokio::test(start_paused = true)]
async fn a_typed_error_is_looked_through() {
    let bare = ending(|| Err(BodyError::Exceeded(stopped())));
    is_full_answer(now_ready(poll(call(&RescueLayer::new().layer(bare), plain()).as_mut())));
    let wrapped = ending(|| Err(io::Error::other(BodyError::Exceeded(stopped()))));
    is_full_answer(now_ready(poll(call(&RescueLayer::new().layer(wrapped), plain()).as_mut())));
}

#[tokio::test(start_paused = true)]
async fn a_boxed_error_is_looked_through_where_that_is_said() {
    let boxed = ending(|| Err::<_, BoxError>(io::Error::other(stopped()).into()));
    is_full_answer(now_ready(poll(call(&RescueLayer::new().boxed_errors().layer(boxed), plain()).as_mut())));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_empty_but_for_its_reason_is_answered_for() {
    let service = RescueLayer::new().layer(ending(|| Ok::<_, ScriptedError>(with_reason(ScriptedBody::full("")))));
    is_full_answer(now_ready(poll(call(&service, plain()).as_mut())));
}

#[tokio::test(start_paused = true)]
async fn what_the_bare_response_had_beside_it_is_kept() {
    let service = RescueLayer::new().layer(ending(|| {
        let mut response = with_reason(ScriptedBody::full(""));
        response.headers_mut().insert("x-request-id", "7".parse().unwrap());
        response.headers_mut().insert(CONTENT_LENGTH, "0".parse().unwrap());
        response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        response.extensions_mut().insert(7_u8);
        Ok::<_, ScriptedError>(response)
    }));
    let response = now_ready(poll(call(&service, plain()).as_mut()));
    assert_eq!(response.headers()["x-request-id"], "7");
    assert!(!response.headers().contains_key(CONTENT_LENGTH), "the length of another body");
    assert_eq!(response.extensions().get(), Some(&7_u8));
    is_full_answer(response);
}

#[tokio::test(start_paused = true)]
async fn a_finished_response_is_never_replaced() {
    let own = ScriptedBody::new([Step::Data("sorry, too slow")]);
    let own = std::sync::Mutex::new(Some(own));
    let service = RescueLayer::new().layer(service_fn(|_: Incoming| {
        let mut response = with_reason(own.lock().unwrap().take().unwrap());
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(ETAG, "\"degraded\"".parse().unwrap());
        answer(Ok::<_, ScriptedError>(response))
    }));
    let mut calling = Box::pin(service.oneshot(plain()));
    let response = now_ready(poll(calling.as_mut()));
    assert_eq!(
        (response.status(), &response.headers()[ETAG]),
        (StatusCode::ACCEPTED, &"\"degraded\"".parse().unwrap())
    );
    assert!(!response.headers().contains_key(&DEADLINE_EXCEEDED));
    assert_eq!(data(&mut response.into_body()), "sorry, too slow");
}

#[tokio::test(start_paused = true)]
async fn any_other_error_passes_with_its_type() {
    let typed = RescueLayer::new().layer(ending(|| Err(ScriptedError)));
    assert!(matches!(poll(call(&typed, plain()).as_mut()), Poll::Ready(Err(ScriptedError))));
    let boxed = RescueLayer::new().boxed_errors().layer(ending(|| Err::<_, BoxError>(ScriptedError.into())));
    match poll(call(&boxed, plain()).as_mut()) {
        Poll::Ready(Err(error)) => assert!(error.is::<ScriptedError>()),
        _ => panic!("no error"),
    }
}

#[tokio::test(start_paused = true)]
async fn stacked_layers_answer_once() {
    let (outer, inner) = (Answers::new().hop("outer"), Answers::new().hop("inner"));
    let service = ServiceBuilder::new()
        .layer(RescueLayer::new().answers(outer))
        .layer(RescueLayer::new().answers(inner))
        .service(ending(|| Err(BodyError::Exceeded(stopped()))));
    for content_type in ["text/plain", "application/grpc"] {
        let mut request = plain();
        request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        let response = now_ready(poll(call(&service, request).as_mut()));
        let fields: Vec<_> = response.headers().get_all(&DEADLINE_EXCEEDED).iter().collect();
        assert_eq!(fields, ["origin=code, stage=database, cause=deadline, hop=\"inner\""]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_is_the_policys() {
    let service = RescueLayer::new().layer(ending(|| Err(BodyError::Exceeded(stopped()))));
    let mut request = plain();
    let policy = Policy::new().status(StatusCode::SERVICE_UNAVAILABLE);
    request.extensions_mut().insert(Journey::new(policy.into(), true));
    let response = now_ready(poll(call(&service, request).as_mut()));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_wait_for_a_connection_is_the_policys_too() {
    for (stage, status) in
        [(Stage::Pool, StatusCode::SERVICE_UNAVAILABLE), (Stage::Database, StatusCode::GATEWAY_TIMEOUT)]
    {
        let stopped = move || Exceeded::new(Deadline::after(now(), MS), stage, Cause::Deadline, now() + MS);
        let service = RescueLayer::new().layer(ending(move || Err(BodyError::Exceeded(stopped()))));
        let policy = Policy::new().pool_status(StatusCode::SERVICE_UNAVAILABLE);
        let response = now_ready(poll(call(&service, under(policy, true)).as_mut()));
        assert_eq!(response.status(), status, "{stage}");
        let is_told_to_wait = response.headers().contains_key(http::header::RETRY_AFTER);
        assert_eq!(is_told_to_wait, stage == Stage::Pool, "{stage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_grpc_is_answered_in_its_own_words() {
    let service = RescueLayer::new().layer(ending(|| Err(BodyError::Exceeded(stopped()))));
    let mut request = plain();
    request.headers_mut().insert(CONTENT_TYPE, "application/grpc+proto".parse().unwrap());
    let response = now_ready(poll(call(&service, request).as_mut()));
    assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &"4".parse().unwrap()));
    assert!(response.body().is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_answers_nobody() {
    let policy = Policy::new().mode(Mode::Observe);
    let bare = RescueLayer::new().layer(ending(|| Ok::<_, ScriptedError>(with_reason(ScriptedBody::full("")))));
    let response = now_ready(poll(call(&bare, under(policy.clone(), true)).as_mut()));
    assert_eq!((response.status(), response.headers().len()), (StatusCode::OK, 0));
    let failing = RescueLayer::new().layer(ending(|| Err(BodyError::Exceeded(stopped()))));
    let outcome = poll(call(&failing, under(policy, true)).as_mut());
    assert!(matches!(outcome, Poll::Ready(Err(BodyError::Exceeded(_)))));
}

/// A service that passes the answer to a stopped call of gRPC on, as `change` makes it.
fn forwarding(
    change: impl Fn(&mut Response<WatchedBody<ScriptedBody>>) + Clone,
) -> impl Service<Request<()>, Response = Response<WatchedBody<ScriptedBody>>, Error = PropagateError> {
    let upstream = service_fn(|_: Request<()>| pending::<Result<Response<ScriptedBody>, ScriptedError>>());
    let client = PropagateLayer::new().layer(upstream);
    service_fn(move |_: Request<()>| {
        let mut call = Request::new(());
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        call.extensions_mut().insert(Deadline::at(now()));
        let (call, change) = (client.clone().oneshot(call), change.clone());
        async move {
            let mut head = call.await?;
            change(&mut head);
            Ok(head)
        }
    })
}

fn of_grpc() -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

fn signing() -> RescueLayer {
    RescueLayer::new().answers(Answers::new().hop("orders"))
}

const SIGNED: &str = "origin=code, stage=unsent, cause=deadline, hop=\"orders\"";

#[tokio::test(start_paused = true)]
async fn what_an_outgoing_call_of_grpc_was_told_is_signed_by_this_hop_and_no_other() {
    let response = signing().layer(forwarding(|_| {})).oneshot(of_grpc()).await.unwrap();
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["deadline-exceeded"]),
        (&"4".parse().unwrap(), &SIGNED.parse().unwrap())
    );
    let outer = <RescueLayer>::new().layer(signing().layer(forwarding(|_| {})));
    assert_eq!(outer.oneshot(of_grpc()).await.unwrap().headers()["deadline-exceeded"], SIGNED);
}

/// The handler knows how to do without.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_handler_makes_of_a_stopped_call_is_its_own() {
    let degraded = forwarding(|head| {
        head.headers_mut().insert("grpc-status", "0".parse().unwrap());
    });
    let response = signing().layer(degraded).oneshot(of_grpc()).await.unwrap();
    assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &"0".parse().unwrap()));
}
