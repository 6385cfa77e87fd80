//! What is told in the log: in a process of its own, since how much was told before is a matter of the process.
#![cfg(feature = "tracing")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::{advance, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_deadline::dialect::trail::Trail;
use tower_deadline::{
    Cause, Deadline, DeadlineLayer, Exceeded, Journey, OnMissing, OriginKind, Outgoing, Policy, PropagateLayer, Stage,
    WatchedBody, now, scope,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Level, Metadata, Subscriber};

const MS: Duration = Duration::from_millis(1);

type Incoming = Request<WatchedBody<Empty<Bytes>>>;

/// Keeps the events of this thread, from a level on.
#[derive(Clone)]
struct Log(Level, Arc<Mutex<Vec<String>>>);

impl Log {
    fn from(level: Level) -> (Self, DefaultGuard) {
        let log = Self(level, Arc::default());
        let guard = set_default(log.clone());
        (log, guard)
    }

    /// The lines that say this, which are then forgotten.
    fn take(&self, what: &str) -> Vec<String> {
        let mut lines = self.1.lock().unwrap();
        let taken = lines.iter().filter(|line| line.contains(what)).cloned().collect();
        lines.retain(|line| !line.contains(what));
        taken
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "deadline" && *metadata.level() <= self.0
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.1.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The level, and each field.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 += &format!(" {field}={value:?}");
    }
}

/// What comes of a request of this policy that asks for so much, whose handler never answers.
async fn ask(policy: Policy, asked: &str) -> StatusCode {
    let handler = |_: Incoming| pending::<Result<Response<Full<Bytes>>, Infallible>>();
    let service = ServiceBuilder::new().layer(DeadlineLayer::new(policy).hop("orders")).service(service_fn(handler));
    let mut request = Request::new(Empty::new());
    if !asked.is_empty() {
        request.headers_mut().insert("x-request-timeout", asked.parse().unwrap());
    }
    service.oneshot(request).await.unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_told_with_all_that_is_known_and_a_storm_in_ten_lines() {
    let (log, _guard) = Log::from(Level::INFO);
    let policy = Policy::new().named("payment").default_timeout(300 * MS);
    assert_eq!(ask(policy.clone(), "200ms").await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(
        log.take("cause=\"deadline\""),
        ["INFO message=request stopped policy=\"payment\" stage=\"handler\" cause=\"deadline\" origin=\"header\" \
          origin_detail=x-request-timeout budget_ms=200 elapsed_ms=200 hop=\"orders\" suppressed=0"]
    );
    advance(3_600_000 * MS).await;
    let storm: Vec<_> = (0..500).map(|_| tokio::spawn(ask(policy.clone(), "100ms"))).collect();
    for asked in storm {
        assert_eq!(asked.await.unwrap(), StatusCode::GATEWAY_TIMEOUT);
    }
    assert_eq!(log.take("cause=\"deadline\"").len(), 10);
    advance(1_000 * MS).await;
    ask(policy, "").await;
    let after = log.take("cause=\"deadline\"");
    let told = "origin=\"policy\" origin_detail=payment budget_ms=300 elapsed_ms=300 hop=\"orders\" suppressed=490";
    assert!(after.len() == 1 && after[0].contains(told), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_hop_that_was_called_has_stopped_is_told_with_where() {
    let (log, _guard) = Log::from(Level::INFO);
    let handler = |_: Incoming| async {
        // A cause that no other test has told of.
        let exceeded = Exceeded::new(Deadline::after(now(), 200 * MS), Stage::Upstream, Cause::Shutdown, now());
        let told = Trail::new(OriginKind::Header, Stage::Database, Cause::Shutdown, Some("payments"));
        Ok::<_, Infallible>(
            Response::builder().extension(exceeded.with_trail(told)).body(Empty::<Bytes>::new()).unwrap(),
        )
    };
    let layer = DeadlineLayer::new(Policy::new().named("payment")).hop("orders");
    let service = ServiceBuilder::new().layer(layer).service(service_fn(handler));
    service.oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap();
    let told = log.take("cause=\"shutdown\"");
    let words = "hop=\"orders\" stopped_by=\"payments\" stopped_in=\"database\" suppressed=0";
    assert!(told.len() == 1 && told[0].contains("stage=\"upstream\"") && told[0].contains(words), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_with_its_reason() {
    let (log, _guard) = Log::from(Level::INFO);
    let policy = Policy::new().min(5 * MS).on_missing(OnMissing::Reject);
    for (asked, status, told) in [
        ("4ms", 504, "reason=\"exceeded\" detail=deadline of 4ms exceeded in stage arrival"),
        ("soon", 400, "reason=\"malformed\" detail="),
        ("", 400, "reason=\"missing\" detail=this service takes no request without a deadline field origin=\"none\""),
    ] {
        assert_eq!(ask(policy.clone(), asked).await, status);
        let lines = log.take("message=request refused policy=\"default\"");
        assert!(lines.len() == 1 && lines[0].contains(told) && lines[0].starts_with("INFO "), "{lines:?}");
    }
    assert!(log.take("").is_empty(), "a refusal is no stop too");
}

// R15
#[tokio::test(start_paused = true)]
async fn the_first_cause_is_told_and_the_later_ones_with_it() {
    let (log, _guard) = Log::from(Level::INFO);
    let handler = |request: Incoming| async move {
        let journey: &Journey = request.extensions().get().unwrap();
        journey.cancel(Cause::Superseded, None);
        journey.cancel(Cause::Shutdown, None);
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    };
    let layer = DeadlineLayer::new(Policy::new().default_timeout(300 * MS));
    let service = ServiceBuilder::new().layer(layer).service(service_fn(handler));
    service.oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap();
    let lines = log.take("cause=\"superseded\"");
    assert!(lines.len() == 1 && lines[0].contains("later=\"shutdown, deadline\""), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_told_of_and_one_that_is_answered_is_not() {
    let (log, _guard) = Log::from(Level::DEBUG);
    let handler = |_: Incoming| async {
        sleep(100 * MS).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("in time")))
    };
    let layer = DeadlineLayer::new(Policy::new().default_timeout(300 * MS));
    let service = ServiceBuilder::new().layer(layer).service(service_fn(handler));
    let asked = || service.clone().oneshot(Request::new(Empty::<Bytes>::new()));
    assert!(tokio::time::timeout(50 * MS, asked()).await.is_err());
    let lines = log.take("cause=\"client_gone\"");
    assert!(lines.len() == 1 && lines[0].contains("budget_ms=300 elapsed_ms=50"), "{lines:?}");
    asked().await.unwrap().collect().await.unwrap();
    assert!(log.take("").is_empty());
}

/// Keeps the events beside a layer that makes spans.
#[cfg(feature = "opentelemetry")]
struct Beside(Log);

#[cfg(feature = "opentelemetry")]
impl<S: Subscriber> tracing_subscriber::Layer<S> for Beside {
    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if self.0.enabled(event.metadata()) {
            self.0.event(event);
        }
    }
}

#[cfg(feature = "opentelemetry")]
#[tokio::test(start_paused = true)]
async fn who_has_a_trace_is_told_with_it() {
    use opentelemetry::trace::TracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let log = Log(Level::INFO, Arc::default());
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("log"));
    let _guard = set_default(tracing_subscriber::registry().with(spans).with(Beside(log.clone())));
    let handler = |request: Incoming| async move {
        let journey: &Journey = request.extensions().get().unwrap();
        journey.cancel(Cause::Cancelled, None);
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    };
    let layer = DeadlineLayer::new(Policy::new().default_timeout(300 * MS));
    let service = ServiceBuilder::new().layer(layer).service(service_fn(handler));
    let traced = Request::get("/").header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    service.oneshot(traced.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let lines = log.take("cause=\"cancelled\"");
    assert!(lines.len() == 1 && lines[0].contains(&format!(" trace_id={TRACE} ")), "{lines:?}");
}

/// Calls without a deadline, by a layer that this line made; what came of it.
async fn call(layer: PropagateLayer) -> Result<(), String> {
    let answer = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let client = ServiceBuilder::new().layer(layer).service(answer);
    client.oneshot(Request::new(())).await.map(drop).map_err(|error| error.to_string())
}

// R21
#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_is_told_with_the_line_that_made_it() {
    let (log, _guard) = Log::from(Level::DEBUG);
    let (layer, line) = (PropagateLayer::new(), line!());
    assert_eq!(call(layer.clone()).await, Ok(()));
    let site = format!("tests/log.rs:{line}");
    let lines = log.take("message=outgoing call without a deadline");
    assert!(lines.len() == 1 && lines[0].starts_with("DEBUG ") && lines[0].contains(&site), "{lines:?}");
    let refused = call(layer.on_missing(OnMissing::Reject)).await.unwrap_err();
    assert!(refused.contains(&site), "{refused}");
    let lines = log.take("message=outgoing call without a deadline policy=\"none\"");
    assert!(lines.len() == 1 && lines[0].starts_with("WARN ") && lines[0].contains(&site), "{lines:?}");
}

// R21
#[tokio::test(start_paused = true)]
async fn the_policy_of_a_request_without_a_deadline_may_require_one_of_its_calls() {
    let (log, _guard) = Log::from(Level::WARN);
    let strict = Policy::new().named("strict").outgoing(Outgoing::Require);
    let (tell, told) = std::sync::mpsc::channel();
    let handler = move |_: Incoming| {
        let tell = tell.clone();
        async move {
            tell.send(call(PropagateLayer::new()).await).unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    };
    let service = ServiceBuilder::new().layer(DeadlineLayer::new(strict)).service(service_fn(handler));
    let mut request = Request::new(Empty::<Bytes>::new());
    drop(service.clone().oneshot(request.clone()).await.unwrap());
    assert!(told.recv().unwrap().unwrap_err().starts_with("outgoing call without a deadline, by "));
    assert_eq!(log.take("policy=\"strict\"").len(), 1);
    request.headers_mut().insert("x-request-timeout", "1s".parse().unwrap());
    drop(service.oneshot(request).await.unwrap());
    assert_eq!(told.recv().unwrap(), Ok(()));
    assert!(log.take("").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_our_own_that_meets_a_deadline_is_told_once() {
    let (log, _guard) = Log::from(Level::DEBUG);
    let inherited = |timeout: u32| Deadline::after(now(), timeout * MS);
    for outer in [100, 200, 300, 400, 500] {
        let own = Deadline::after(now(), 300 * MS);
        scope(inherited(outer), async { scope(own, async {}).await }).await.unwrap().unwrap();
    }
    let lines = log.take("a limit of our own met a deadline");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("effect=\"pointless\" limit=code ") && lines[0].contains("limit_ms=300"), "{lines:?}");
    assert!(lines[0].contains("deadline_ms=100") && lines[1].contains("effect=\"truncated\""), "{lines:?}");
    assert!(lines[1].contains("deadline_ms=400"), "at the same instant neither limits the other: {lines:?}");
}

// R15
#[tokio::test(start_paused = true)]
async fn cancelling_what_has_ended_is_told_with_the_line_that_did() {
    let (log, _guard) = Log::from(Level::DEBUG);
    let done = scope(Deadline::after(now(), 300 * MS), async {});
    let canceller = done.canceller();
    done.await.unwrap();
    let line = line!() + 1;
    canceller.cancel("too late");
    let lines = log.take("message=cancelled too late cause=\"cancelled\"");
    assert!(lines.len() == 1 && lines[0].contains(&format!("tests/log.rs:{line}")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn where_the_level_is_not_heard_nothing_is_told() {
    let (log, _guard) = Log::from(Level::WARN);
    ask(Policy::new(), "100ms").await;
    ask(Policy::new(), "soon").await;
    call(PropagateLayer::new()).await.unwrap();
    assert!(log.take("").is_empty());
}
