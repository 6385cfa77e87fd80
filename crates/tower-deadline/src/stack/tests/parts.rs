//! The paved path is one service, and does what its three parts do one around the other.

use crate::testing::{BUDGET, MS, asking, call, plain, poll, within};
use crate::timer::tests::armed;
use crate::{
    AdmitLayer, Answers, DeadlineBody, DeadlineLayer, EnforceLayer, Mode, OnInvalid, OnMissing, Policy, RescueLayer,
    WatchedBody, current, scope,
};
use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService, Step};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::fmt::Write;
use std::future::pending;
use std::pin::Pin;
use tokio::time::{advance, sleep};
use tower::{Service, ServiceBuilder};

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Handler = fn(Incoming) -> Pin<Box<dyn Future<Output = Outcome>>>;

const HANDLERS: [(&str, Handler); 5] = [
    ("prompt", |_| Box::pin(async { Ok(Response::new(ScriptedBody::full("in time"))) })),
    ("slow", |_| {
        Box::pin(async {
            sleep(BUDGET / 2).await;
            Ok(Response::new(ScriptedBody::new([Step::Stall])))
        })
    }),
    ("silent", |_| Box::pin(pending())),
    ("broken", |_| Box::pin(async { Err(ScriptedError) })),
    ("reading", |request| {
        let seen = current().map(|deadline| deadline.budget());
        assert_eq!(seen, request.extensions().get::<crate::Deadline>().map(|deadline| deadline.budget()));
        Box::pin(async {
            request.into_body().collect().await.map_err(|_| ScriptedError)?;
            Ok(Response::new(ScriptedBody::full("read")))
        })
    }),
];

fn policies() -> Vec<Policy> {
    let default = Policy::new().named("default of the route").default_timeout(BUDGET);
    vec![
        Policy::new(),
        Policy::new().on_missing(OnMissing::Reject),
        default.clone().on_invalid(OnInvalid::Ignore).status(http::StatusCode::IM_A_TEAPOT),
        default.min(5 * MS).mode(Mode::Observe),
    ]
}

fn requests() -> Vec<Request<ScriptedBody>> {
    let grpc = |mut request: Request<ScriptedBody>| {
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        crate::testing::over_http2(request)
    };
    let mut stalling = asking("200ms");
    *stalling.body_mut() = ScriptedBody::new([Step::Stall]);
    vec![
        plain(),
        asking("200ms"),
        asking("0"),
        asking("soon"),
        grpc(asking("0")),
        grpc(asking("200ms")),
        grpc(asking("soon")),
        within(100 * MS),
        stalling,
    ]
}

/// What can be seen from outside, step by step.
async fn transcript<S>(service: &S, request: Request<ScriptedBody>) -> String
where
    S: Service<Request<ScriptedBody>, Response = Response<DeadlineBody<ScriptedBody>>, Error = ScriptedError> + Clone,
{
    let mut told = String::new();
    let mut calling = call(service, request);
    for _ in 0..4 {
        if let std::task::Poll::Ready(outcome) = poll(calling.as_mut()) {
            let answered = outcome.map(|response| {
                let (head, body) = response.into_parts();
                let reason = head.extensions.get::<crate::Exceeded>().map(ToString::to_string);
                (head.status, head.headers, reason, body)
            });
            let Ok((status, headers, reason, mut body)) = answered else { return told + "an error" };
            let frame = crate::testing::poll_frame(&mut body).map(|frame| format!("{frame:?}"));
            let armed = armed();
            write!(told, "{status} {headers:?} {reason:?} {frame:?}, {armed} armed").unwrap();
            return told;
        }
        write!(told, "pending, {} armed; ", armed()).unwrap();
        advance(BUDGET / 3).await;
    }
    told
}

#[tokio::test(start_paused = true)]
async fn one_service_does_what_its_three_parts_do() {
    for policy in policies() {
        for (name, handler) in HANDLERS {
            for open in [true, false] {
                let (apart, whole) = (requests(), requests());
                for (apart, whole) in apart.into_iter().zip(whole) {
                    let what = format!("{policy:?}, {name}, {open}, {:?}", whole.headers());
                    let gate = || if open { Gate::default() } else { Gate::closed() };
                    let inner = || ScriptedService::new(gate(), Probe::default(), handler);
                    let parts = ServiceBuilder::new()
                        .layer(AdmitLayer::new(policy.clone()).answers(Answers::new().hop("hop")))
                        .layer(<RescueLayer>::new().answers(Answers::new().hop("hop")))
                        .layer(EnforceLayer::new())
                        .service(inner());
                    let paved =
                        ServiceBuilder::new().layer(DeadlineLayer::new(policy.clone()).hop("hop")).service(inner());
                    let apart = transcript(&parts, apart).await;
                    assert_eq!(transcript(&paved, whole).await, apart, "{what}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ambient_deadline_is_found_by_both() {
    let around = crate::Deadline::after(crate::now(), 50 * MS);
    let inner = || ScriptedService::new(Gate::default(), Probe::default(), HANDLERS[2].1);
    let parts = ServiceBuilder::new()
        .layer(AdmitLayer::new(Policy::new()))
        .layer(<RescueLayer>::new())
        .layer(EnforceLayer::new())
        .service(inner());
    let paved = ServiceBuilder::new().layer(DeadlineLayer::new(Policy::new())).service(inner());
    let mut apart = Box::pin(scope(around, async move { call(&parts, plain()).await.map(|answer| answer.status()) }));
    let mut whole = Box::pin(scope(around, async move { call(&paved, plain()).await.map(|answer| answer.status()) }));
    assert!(poll(apart.as_mut()).is_pending() && poll(whole.as_mut()).is_pending());
    advance(50 * MS).await;
    let ended = |polled| format!("{polled:?}");
    assert_eq!(ended(poll(whole.as_mut())), ended(poll(apart.as_mut())));
}
