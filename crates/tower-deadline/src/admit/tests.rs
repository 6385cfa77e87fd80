use super::*;
use crate::testing::{MS, asking, call, exceeded, plain, poll, ready as now_ready};
use crate::{Cause, Covers, Mode, OnInvalid, OnMissing, OriginKind, Stage};
use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService};
use http::StatusCode;
use http_deadline::{Dialect, enter};
use std::future::{Ready, ready as answer};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::advance;

type Outcome = Result<Response<Bytes>, ScriptedError>;
type Incoming = Request<ScriptedBody>;

/// The extensions that the handler saw.
type Seen = (Option<Deadline>, Journey);

/// An admitting service, what it saw, and how often it was called.
struct Admitting {
    layer: AdmitLayer,
    probe: Probe,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl Admitting {
    fn under(policy: Policy) -> Self {
        Self { layer: AdmitLayer::new(policy), probe: Probe::default(), seen: Arc::default() }
    }

    fn call(&self, request: Incoming) -> Response<Bytes> {
        let seen = Arc::clone(&self.seen);
        let handler = move |request: Incoming| -> Ready<Outcome> {
            let extensions = request.extensions();
            *seen.lock().unwrap() = Some((extensions.get().copied(), extensions.get().cloned().unwrap()));
            answer(Ok(Response::new(Bytes::from_static(b"in time"))))
        };
        let inner = ScriptedService::new(Gate::default(), self.probe.clone(), handler);
        now_ready(poll(call(&self.layer.layer(inner), request).as_mut()))
    }

    /// The deadline that the handler saw.
    fn deadline(&self) -> Option<Deadline> {
        self.seen.lock().unwrap().as_ref().and_then(|(deadline, _)| *deadline)
    }

    fn budget(&self) -> Option<Duration> {
        self.deadline().map(Deadline::budget)
    }

    fn journey(&self) -> Journey {
        self.seen.lock().unwrap().as_ref().map(|(_, journey)| journey.clone()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_becomes_a_deadline_that_runs_from_arrival() {
    let admitting = Admitting::under(Policy::new());
    advance(50 * MS).await;
    assert_eq!(admitting.call(asking("300ms")).status(), StatusCode::OK);
    let deadline = admitting.deadline().unwrap();
    assert_eq!((deadline.arrived(), deadline.instant()), (now(), now() + 300 * MS));
    assert_eq!(deadline.origin().kind(), OriginKind::Header);
    assert!(admitting.journey().client_asked());
}

#[tokio::test(start_paused = true)]
async fn the_policys_default_is_not_the_clients_word() {
    let admitting = Admitting::under(Policy::new().named("orders").default_timeout(300 * MS));
    admitting.call(plain());
    assert_eq!(admitting.budget(), Some(300 * MS));
    assert!(!admitting.journey().client_asked());
    assert_eq!(admitting.journey().policy().name().as_str(), "orders");
    admitting.call(asking("400ms"));
    assert_eq!(admitting.deadline().map(|deadline| deadline.origin().kind()), Some(OriginKind::Policy));
    assert!(admitting.journey().client_asked(), "whoever's limit binds");
}

#[tokio::test(start_paused = true)]
async fn without_either_there_is_a_journey_and_no_deadline() {
    let admitting = Admitting::under(Policy::new());
    admitting.call(plain());
    assert_eq!((admitting.deadline(), admitting.probe.called()), (None, 1));
}

// R10
#[tokio::test(start_paused = true)]
async fn what_is_refused_is_answered_without_a_call() {
    let strict = Policy::new().min(5 * MS).on_missing(OnMissing::Reject);
    let cases = [
        (asking("0"), StatusCode::GATEWAY_TIMEOUT),
        (asking("4ms"), StatusCode::GATEWAY_TIMEOUT),
        (asking("abc"), StatusCode::BAD_REQUEST),
        (asking("1s, abc"), StatusCode::BAD_REQUEST),
        (plain(), StatusCode::BAD_REQUEST),
    ];
    let admitting = Admitting::under(strict);
    for (request, status) in cases {
        let response = admitting.call(request);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(admitting.probe.called(), 0);
    let late = admitting.call(asking("0"));
    assert_eq!((exceeded(&late).stage(), exceeded(&late).cause()), (Stage::Arrival, Cause::Deadline));
    assert_eq!(admitting.call(asking("5ms")).status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_late_arrival_has_the_policys_status_and_the_hops_name() {
    let mut admitting = Admitting::under(Policy::new().status(StatusCode::IM_A_TEAPOT));
    admitting.layer = admitting.layer.answers(Answers::new().hop("orders"));
    let response = admitting.call(asking("0"));
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let field = "origin=header, stage=arrival, cause=deadline, hop=\"orders\"";
    assert_eq!(response.headers()["deadline-exceeded"], field);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_of_grpc_is_told_so_in_its_own_words() {
    let admitting = Admitting::under(Policy::new());
    for (timeout, status) in [("0n", "4"), ("abc", "13")] {
        let mut request = plain();
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        request.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
        let response = admitting.call(request);
        assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &status.parse().unwrap()));
    }
    assert_eq!(admitting.probe.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_element_that_is_ignored_takes_no_part() {
    let admitting = Admitting::under(Policy::new().on_invalid(OnInvalid::Ignore));
    assert_eq!(admitting.call(asking("abc, 300ms")).status(), StatusCode::OK);
    assert_eq!(admitting.budget(), Some(300 * MS));
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_lets_everything_in() {
    let policy = Policy::new().mode(Mode::Observe).min(5 * MS).on_missing(OnMissing::Reject);
    let admitting = Admitting::under(policy);
    for request in [asking("0"), asking("4ms"), asking("abc"), plain()] {
        assert_eq!(admitting.call(request).status(), StatusCode::OK);
    }
    assert_eq!(admitting.probe.called(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_dialects_that_are_read_can_be_chosen() {
    let mut admitting = Admitting::under(Policy::new());
    admitting.layer = admitting.layer.dialects(Dialects::default().without_read(Dialect::XRequestTimeout));
    assert_eq!(admitting.call(asking("abc")).status(), StatusCode::OK);
    assert_eq!(admitting.deadline(), None);
}

// R1
#[tokio::test(start_paused = true)]
async fn the_soonest_of_header_extension_and_ambient_wins() {
    let admitting = Admitting::under(Policy::new());
    for (extension, ambient, wins) in [(200, 250, 200), (250, 200, 200), (500, 500, 300)] {
        let mut request = asking("300ms");
        request.extensions_mut().insert(Deadline::after(now(), extension * MS));
        let _entered = enter(Deadline::after(now(), ambient * MS));
        admitting.call(request);
        assert_eq!(admitting.budget(), Some(wins * MS));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_layer_makes_a_part_under_its_own_policy() {
    let admitting = Admitting::under(Policy::new().covers(Covers::Head).named("inner"));
    let outer = Journey::new(Policy::new().named("outer").into(), true);
    let mut request = plain();
    request.extensions_mut().insert(outer.clone());
    admitting.call(request);
    let part = admitting.journey();
    assert_eq!(part.policy().name().as_str(), "inner");
    let open = part.enter(Stage::Database);
    assert_eq!(outer.stage(), Stage::Database);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn readiness_and_errors_are_the_inner_services() {
    let failing = |_: Incoming| answer(Outcome::Err(ScriptedError));
    let gate = Gate::closed();
    let inner = ScriptedService::new(gate.clone(), Probe::default(), failing);
    let service = AdmitLayer::new(Policy::new()).layer(inner);
    let mut calling = call(&service, plain());
    assert!(poll(calling.as_mut()).is_pending());
    gate.open();
    assert!(matches!(poll(calling.as_mut()), Poll::Ready(Err(ScriptedError))));
    gate.break_down();
    assert!(matches!(poll(call(&service, plain()).as_mut()), Poll::Ready(Err(ScriptedError))));
}

#[tokio::test(start_paused = true)]
async fn the_guard_ends_calls_of_grpc_sooner_and_no_others() {
    let mut admitting = Admitting::under(Policy::new());
    admitting.layer = admitting.layer.grpc_guard(2 * MS);
    admitting.call(asking("300ms"));
    assert_eq!(admitting.budget(), Some(300 * MS));
    let mut grpc = asking("300ms");
    grpc.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    admitting.call(grpc);
    assert_eq!(admitting.budget(), Some(298 * MS));
}
