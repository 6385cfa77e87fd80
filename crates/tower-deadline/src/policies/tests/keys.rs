//! Each key of a policy has its effect, from the text to the answer.

use std::future::{Ready, pending, ready};
use std::pin::Pin;
use std::task::Poll;

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService, Step};
use http::header::RETRY_AFTER;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_deadline::Ambient;
use tokio::time::advance;
use tower::Layer;

use super::{MS, PolicySet};
use crate::testing::{asking, call, data, error, exceeded, plain, poll_frame, ready as now_ready, response};
use crate::timer::tests::armed;
use crate::{BodyError, Deadline, DeadlineLayer, PropagateLayer, Stage, WatchedBody, current};

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Answer = Poll<Result<Response<crate::DeadlineBody<ScriptedBody>>, ScriptedError>>;
type Calling = Pin<Box<dyn Future<Output = Result<Response<crate::DeadlineBody<ScriptedBody>>, ScriptedError>>>>;

/// A call of `/shop.Reports/Yearly`, whose policy has these keys; the default one would refuse it.
fn calling<H, F>(keys: &str, mut request: Request<ScriptedBody>, handler: H) -> Calling
where
    H: FnMut(Incoming) -> F + Clone + 'static,
    F: Future<Output = Outcome> + 'static,
{
    let text = format!(
        "[policy.default]\non_missing = \"reject\"\nmin = \"1h\"\n[policy.report]\n{keys}\n[route]\n\"/shop.Reports/*\" = \"report\"\n"
    );
    let set = PolicySet::from_toml(&text).unwrap();
    *request.uri_mut() = "/shop.Reports/Yearly".parse().unwrap();
    let inner = ScriptedService::new(Gate::default(), Probe::default(), handler);
    call(&DeadlineLayer::by_grpc_method(set).layer(inner), request)
}

fn poll(calling: &mut Calling) -> Answer {
    crate::testing::poll(Pin::new(calling))
}

/// The budget of a request under these keys.
fn budget(keys: &str, request: Request<ScriptedBody>) -> Option<u128> {
    let (tell, told) = std::sync::mpsc::channel();
    let telling = move |_: Incoming| {
        let _ = tell.send(current().map(|deadline| deadline.budget().as_millis()));
        prompt()
    };
    assert_eq!(status(&poll(&mut calling(keys, request, telling))), Some(StatusCode::OK));
    told.recv().unwrap()
}

fn prompt() -> Ready<Outcome> {
    ready(Ok(Response::new(ScriptedBody::full("in time"))))
}

fn status(answer: &Answer) -> Option<StatusCode> {
    match answer {
        Poll::Ready(answer) => Some(answer.as_ref().unwrap().status()),
        Poll::Pending => None,
    }
}

/// The answer to a request under these keys, whose handler answers at once.
fn at_once(keys: &str, request: Request<ScriptedBody>) -> Option<StatusCode> {
    status(&poll(&mut calling(keys, request, |_| prompt())))
}

#[tokio::test(start_paused = true)]
async fn timeout_is_the_budget_of_who_asks_for_none_and_the_cap_of_who_asks() {
    let mut silent = calling("timeout = \"300ms\"", plain(), |_| pending());
    assert_eq!(status(&poll(&mut silent)), None);
    advance(299 * MS).await;
    assert_eq!(status(&poll(&mut silent)), None);
    advance(MS).await;
    let late = now_ready(poll(&mut silent));
    assert_eq!(
        (late.status(), exceeded(&late).origin().to_string()),
        (StatusCode::GATEWAY_TIMEOUT, "policy report".into())
    );
    assert_eq!(budget("timeout = \"300ms\"", asking("299ms")), Some(299));
    assert_eq!(budget("timeout = \"300ms\"", asking("301ms")), Some(300));
    assert_eq!(budget("", plain()), None);
}

#[tokio::test(start_paused = true)]
async fn max_is_the_most_that_a_client_can_ask_for() {
    let keys = "timeout = \"300ms\"\nmax = \"600ms\"";
    for (request, granted) in [(plain(), 300), (asking("599ms"), 599), (asking("600ms"), 600), (asking("601ms"), 600)] {
        assert_eq!(budget(keys, request), Some(granted));
    }
    let mut silent = calling("max = \"600ms\"", asking("9s"), |_| pending());
    assert_eq!(status(&poll(&mut silent)), None);
    advance(599 * MS).await;
    assert_eq!(status(&poll(&mut silent)), None);
    advance(MS).await;
    assert_eq!(status(&poll(&mut silent)), Some(StatusCode::GATEWAY_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn min_refuses_a_budget_below_it_at_arrival() {
    for (timeout, status) in [("4ms", StatusCode::GATEWAY_TIMEOUT), ("5ms", StatusCode::OK), ("6ms", StatusCode::OK)] {
        assert_eq!(at_once("min = \"5ms\"", asking(timeout)), Some(status), "{timeout}");
    }
    assert_eq!(at_once("min = \"5ms\"", plain()), Some(StatusCode::OK));
    let refused = now_ready(poll(&mut calling("min = \"5ms\"", asking("4ms"), |_| prompt())));
    assert_eq!(exceeded(&refused).stage(), Stage::Arrival);
}

/// R21: what is sent to whoever is called is less by the reserve, down to nothing, which is not sent (R16).
#[tokio::test(start_paused = true)]
async fn reserve_is_kept_back_from_outgoing_calls() {
    for (after, sent) in [(0, Some("250ms")), (249, Some("1ms")), (250, None), (251, None)] {
        let (tell, told) = std::sync::mpsc::channel();
        let calls = move |_: Incoming| {
            let tell = tell.clone();
            async move {
                tokio::time::sleep(after * MS).await;
                let upstream = tower::service_fn(move |request: Request<()>| {
                    let _ = tell.send(request.headers()["x-request-timeout"].to_str().unwrap().to_owned());
                    prompt()
                });
                let sent = tower::ServiceExt::oneshot(PropagateLayer::new().layer(upstream), Request::new(())).await;
                drop(sent);
                prompt().await
            }
        };
        let mut calling = calling("timeout = \"300ms\"\nreserve = \"50ms\"", plain(), calls);
        assert!(after == 0 || poll(&mut calling).is_pending());
        advance(after * MS).await;
        assert_eq!(status(&poll(&mut calling)), Some(StatusCode::OK));
        assert_eq!(told.try_recv().ok().as_deref(), sent, "after {after} ms");
    }
}

const STEPS: [Step; 4] = [Step::Data("early"), Step::Wait, Step::Data("late"), Step::Stall];

/// A body of this type under these keys, after its first frame, and its deadline.
async fn stream(keys: &str, content_type: &'static str) -> crate::DeadlineBody<ScriptedBody> {
    let streaming = move |_: Incoming| ready(Ok(response(content_type, STEPS)));
    let mut body = now_ready(poll(&mut calling(keys, plain(), streaming))).into_body();
    assert_eq!(data(&mut body), "early");
    assert!(poll_frame(&mut body).is_pending());
    body
}

// R18
#[tokio::test(start_paused = true)]
async fn covers_says_how_far_a_default_deadline_reaches() {
    let (head, body) = ("timeout = \"300ms\"\ncovers = \"head\"", "timeout = \"300ms\"\ncovers = \"body\"");
    for (keys, content_type, covered) in [
        (head, "text/plain", false),
        (body, "text/plain", true),
        ("timeout = \"300ms\"", "text/plain", true),
        (head, "text/event-stream", false),
        (body, "text/event-stream", true),
        ("timeout = \"300ms\"", "text/event-stream", false),
    ] {
        let mut body = stream(keys, content_type).await;
        assert_eq!(armed() == 1, covered, "{keys}, {content_type}");
        advance(300 * MS).await;
        if covered {
            assert!(matches!(error(&mut body), BodyError::Exceeded(_)), "{keys}, {content_type}");
        } else {
            assert_eq!(data(&mut body), "late", "{keys}, {content_type}");
        }
    }
    let mut body = stream(body, "text/event-stream").await;
    advance(299 * MS).await;
    assert_eq!(data(&mut body), "late", "before the instant");
}

#[tokio::test(start_paused = true)]
async fn status_is_that_of_the_answer_at_the_deadline() {
    let keys = "timeout = \"300ms\"\nstatus = 503";
    assert_eq!(at_once(keys, asking("0")), Some(StatusCode::SERVICE_UNAVAILABLE));
    let mut silent = calling(keys, plain(), |_| pending());
    assert_eq!(status(&poll(&mut silent)), None);
    advance(299 * MS).await;
    assert_eq!(status(&poll(&mut silent)), None);
    advance(MS).await;
    assert_eq!(status(&poll(&mut silent)), Some(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test(start_paused = true)]
async fn pool_status_is_that_of_the_answer_where_the_deadline_passes_in_the_wait_for_a_connection() {
    let keys = "timeout = \"300ms\"\npool_status = 503";
    let in_stage = |stage: Stage| {
        move |_: Incoming| async move {
            let _open = Ambient::current().journey().map(|journey| journey.enter(stage));
            pending::<Outcome>().await
        }
    };
    let mut waiting = calling(keys, plain(), in_stage(Stage::Pool));
    let mut working = calling(keys, plain(), in_stage(Stage::Database));
    assert_eq!((status(&poll(&mut waiting)), status(&poll(&mut working))), (None, None));
    advance(299 * MS).await;
    assert_eq!((status(&poll(&mut waiting)), status(&poll(&mut working))), (None, None));
    advance(MS).await;
    let waited = now_ready(poll(&mut waiting));
    assert_eq!(waited.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(waited.headers()[RETRY_AFTER], "1");
    assert_eq!(status(&poll(&mut working)), Some(StatusCode::GATEWAY_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn mode_observe_stops_nothing_and_mode_enforce_does() {
    let slow = |_: Incoming| async {
        tokio::time::sleep(600 * MS).await;
        prompt().await
    };
    let mut observed = calling("timeout = \"300ms\"\nmode = \"observe\"", plain(), slow);
    let mut enforced = calling("timeout = \"300ms\"\nmode = \"enforce\"", plain(), slow);
    assert_eq!((status(&poll(&mut observed)), armed()), (None, 0));
    assert_eq!((status(&poll(&mut enforced)), armed()), (None, 1));
    advance(299 * MS).await;
    assert_eq!((status(&poll(&mut observed)), status(&poll(&mut enforced))), (None, None));
    advance(MS).await;
    assert_eq!(status(&poll(&mut enforced)), Some(StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(status(&poll(&mut observed)), None);
    advance(300 * MS).await;
    assert_eq!(status(&poll(&mut observed)), Some(StatusCode::OK));
    for request in [asking("0"), asking("abc")] {
        assert_eq!(at_once("mode = \"observe\"", request), Some(StatusCode::OK));
    }
}

#[tokio::test(start_paused = true)]
async fn on_invalid_refuses_a_malformed_field_or_drops_it() {
    assert_eq!(at_once("on_invalid = \"reject\"", asking("abc")), Some(StatusCode::BAD_REQUEST));
    assert_eq!(at_once("on_invalid = \"ignore\"", asking("abc")), Some(StatusCode::OK));
    assert_eq!(budget("on_invalid = \"ignore\"", asking("abc, 300ms")), Some(300));
}

#[tokio::test(start_paused = true)]
async fn on_missing_lets_a_request_without_a_field_in_or_refuses_it() {
    assert_eq!(at_once("on_missing = \"allow\"\ntimeout = \"3s\"", plain()), Some(StatusCode::OK));
    assert_eq!(at_once("on_missing = \"reject\"\ntimeout = \"3s\"", plain()), Some(StatusCode::BAD_REQUEST));
    assert_eq!(at_once("on_missing = \"reject\"\ntimeout = \"3s\"", asking("1s")), Some(StatusCode::OK));
}

// R21
#[tokio::test(start_paused = true)]
async fn outgoing_sends_a_call_without_a_deadline_or_refuses_it() {
    for (keys, asked, is_sent) in [
        ("outgoing = \"allow\"", plain(), true),
        ("outgoing = \"require\"", plain(), false),
        ("outgoing = \"require\"", asking("1s"), true),
        ("outgoing = \"require\"\ntimeout = \"3s\"", plain(), true),
        ("outgoing = \"require\"\nmode = \"observe\"", plain(), true),
    ] {
        let (tell, told) = std::sync::mpsc::channel();
        let calls = move |_: Incoming| {
            let _ = tell.send(PropagateLayer::new().write(&mut HeaderMap::new(), &Extensions::new()).is_ok());
            prompt()
        };
        assert_eq!(status(&poll(&mut calling(keys, asked, calls))), Some(StatusCode::OK));
        assert_eq!(told.recv(), Ok(is_sent), "{keys}");
    }
}

/// R1: two layers each choose, and the sooner deadline wins.
#[tokio::test(start_paused = true)]
async fn a_second_set_further_in_shortens_and_does_not_lengthen() {
    let set = |timeout: &str| {
        let text = format!("[policy.a]\ntimeout = \"{timeout}\"\n[route]\n\"/\" = \"a\"\n");
        DeadlineLayer::by(PolicySet::from_toml(&text).unwrap(), |head| Some(head.uri().path().into()))
    };
    for (outer, inner) in [("300ms", "9s"), ("9s", "300ms")] {
        let telling = |_| {
            assert_eq!(current().map(Deadline::budget), Some(300 * MS));
            prompt()
        };
        let inner = set(inner).layer(ScriptedService::new(Gate::default(), Probe::default(), telling));
        assert!(
            now_ready(crate::testing::poll(call(&set(outer).layer(inner), plain()).as_mut()))
                .status()
                .is_success()
        );
    }
}
