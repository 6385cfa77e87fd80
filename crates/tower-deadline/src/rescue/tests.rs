use super::*;
use crate::testing::{MS, call, data, exceeded, is_at_end, plain, poll, ready as now_ready, under};
use crate::{
    BodyError, Cause, Deadline, Dialect, Mode, Policy, PropagateError, PropagateLayer, Stage, WatchedBody, now,
};
use deadline_testkit::{ScriptedBody, ScriptedError, Step};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http_deadline::{Origin, OriginKind, PolicyName};
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

/// What payments tells of a call that it has stopped.
const TOLD: &str = "origin=header, stage=database, cause=deadline, hop=\"payments\"";

/// The answer of payments to a call that this had limited, as a handler changes it.
fn passed_on(
    origin: Origin,
    change: impl Fn(&mut Response<ScriptedBody>) + Clone,
) -> ServiceFn<impl Fn(Incoming) -> std::future::Ready<Result<Response<ScriptedBody>, ScriptedError>> + Clone> {
    ending(move || {
        let deadline = Deadline::after(now(), 300 * MS).with_origin(origin);
        let exceeded = Exceeded::new(deadline, Stage::Upstream, Cause::Deadline, now() + 300 * MS);
        let mut response = Response::new(ScriptedBody::full("too late"));
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
        response.headers_mut().insert(DEADLINE_EXCEEDED.clone(), TOLD.parse().unwrap());
        response.extensions_mut().insert(exceeded.with_trail(Trail::parse(TOLD.as_bytes()).unwrap()));
        change(&mut response);
        Ok(response)
    })
}

fn told<S, B>(service: &S) -> String
where
    S: Service<Incoming, Response = Response<B>, Error = ScriptedError> + Clone,
{
    let response = now_ready(poll(call(service, plain()).as_mut()));
    let fields: Vec<_> = response.headers().get_all(&DEADLINE_EXCEEDED).iter().collect();
    let [field] = fields[..] else { panic!("{fields:?}") };
    field.to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_hop_whose_limit_it_was_says_so_in_the_answer_that_it_passes_on() {
    let (policy, header) = (Origin::Policy(PolicyName::DEFAULT), Origin::Header(Dialect::XRequestTimeout));
    let by = |origin, set_by| format!("origin={origin}, {}, origin_hop=\"{set_by}\"", &TOLD["origin=header, ".len()..]);
    let same = |_: &mut Response<ScriptedBody>| {};
    for (origin, field) in [
        (policy, by("policy", "orders")),
        (Origin::code(), by("code", "orders")),
        // It is for whoever wrote that to say.
        (header, TOLD.to_owned()),
    ] {
        assert_eq!(told(&signing().layer(passed_on(origin, same))), field);
        // Whoever is further out in this process has set nothing.
        let outer = <RescueLayer>::new()
            .answers(Answers::new().hop("outer"))
            .layer(signing().layer(passed_on(origin, same)));
        assert_eq!(told(&outer), field);
    }
    assert_eq!(told(&<RescueLayer>::new().layer(passed_on(policy, same))), by("policy", "unnamed"));
    // A call of gRPC without a message: all of it is the head.
    let grpc = |response: &mut Response<ScriptedBody>| {
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = ScriptedBody::full("");
        response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        response.headers_mut().insert("grpc-status", "4".parse().unwrap());
    };
    assert_eq!(told(&signing().layer(passed_on(policy, grpc))), by("policy", "orders"));
    let own = "origin=code, stage=handler, cause=cancelled";
    let another = move |response: &mut Response<ScriptedBody>| {
        response.headers_mut().insert(DEADLINE_EXCEEDED.clone(), own.parse().unwrap());
    };
    assert_eq!(told(&signing().layer(passed_on(policy, another))), own, "a field of the handler's own");
    let copied = |response: &mut Response<ScriptedBody>| drop(response.extensions_mut().remove::<Exceeded>());
    assert_eq!(told(&signing().layer(passed_on(policy, copied))), TOLD, "nobody knows what that was");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_our_own_names_the_hop_that_stopped_first_and_its_stage() {
    let bare = |response: &mut Response<ScriptedBody>| {
        response.headers_mut().clear();
        *response.body_mut() = ScriptedBody::full("");
    };
    let policy = Origin::Policy(PolicyName::new("gold"));
    let service = signing().layer(passed_on(policy, bare));
    let response = now_ready(poll(call(&service, plain()).as_mut()));
    let field = "origin=policy, stage=database, cause=deadline, hop=\"payments\", origin_hop=\"orders\"";
    assert_eq!(response.headers()[&DEADLINE_EXCEEDED], field);
    let document: serde_json::Value = serde_json::from_slice(&data(&mut response.into_body())).unwrap();
    let expected = serde_json::json!({
        "type": "about:blank", "title": "Deadline exceeded", "status": 504,
        "detail": "deadline of 300 ms exceeded at payments in stage database",
        "stage": "database", "cause": "deadline", "origin": "policy", "budget_ms": 300, "elapsed_ms": 300,
        "hop": "payments", "origin_hop": "orders",
    });
    assert_eq!(document, expected);
    let open = RescueLayer::new()
        .answers(Answers::new().hop("orders").expose_origin())
        .layer(passed_on(policy, bare));
    let response = now_ready(poll(call(&open, plain()).as_mut()));
    let document: serde_json::Value = serde_json::from_slice(&data(&mut response.into_body())).unwrap();
    assert_eq!(document["origin_detail"], "gold");
    let theirs = move |response: &mut Response<ScriptedBody>| {
        bare(response);
        let told = Trail::new(OriginKind::Policy, Stage::Pool, Cause::Deadline, Some("payments"));
        let exceeded = response.extensions_mut().remove::<Exceeded>().unwrap();
        response.extensions_mut().insert(exceeded.with_trail(told));
    };
    let open = RescueLayer::new()
        .answers(Answers::new().hop("orders").expose_origin())
        .layer(passed_on(policy, theirs));
    let response = now_ready(poll(call(&open, plain()).as_mut()));
    let document: serde_json::Value = serde_json::from_slice(&data(&mut response.into_body())).unwrap();
    assert_eq!((&document["origin"], &document["origin_detail"]), (&"policy".into(), &serde_json::Value::Null));
}
