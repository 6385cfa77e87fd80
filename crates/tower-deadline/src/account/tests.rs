//! What the paved path tells of a request, beside its answer.

use std::future::pending;
use std::time::Duration;

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService};
use http::{HeaderMap, Request, Response};
use http_deadline::dialect::server_timing::{self, SERVER_TIMING};
use http_deadline::dialect::trail::Trail;
use http_deadline::{Ambient, Ledger, Policy, Stage};
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::testing::{MS, asking, call, plain, poll, ready};
use crate::{AdmitLayer, Answers, DeadlineLayer, EnforceLayer, RescueLayer};

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

fn entries(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(&SERVER_TIMING).iter().map(|entry| entry.to_str().unwrap()).collect()
}

fn layer(ledger: Ledger) -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().ledger(ledger)).hop("orders")
}

/// In this stage for so long.
async fn within(stage: Stage, time: Duration) {
    let _open = Ambient::current().make().map(|journey| journey.enter(stage));
    sleep(time).await;
}

async fn busy(_: Request<crate::WatchedBody<ScriptedBody>>) -> Outcome {
    sleep(10 * MS).await;
    within(Stage::Pool, 5 * MS).await;
    within(Stage::Upstream, 30 * MS).await;
    within(Stage::Database, 20 * MS).await;
    Ok(Response::builder().header(&SERVER_TIMING, "db;dur=53").body(ScriptedBody::default()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_ledger_tells_where_the_time_went_with_a_deadline_and_without() {
    for (request, budget) in [(asking("300ms"), "budget=300 "), (plain(), "")] {
        let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), busy));
        let response = call(&service, request).await.unwrap();
        let entry = format!("hop.orders;dur=65;desc=\"{budget}pool=5 upstream=30 database=20 own=10 sent=15\"");
        assert_eq!(entries(response.headers()), ["db;dur=53", entry.as_str()]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_has_an_entry_that_tells_where_and_why() {
    let never = |_| pending::<Outcome>();
    let service = layer(Ledger::Public).layer(ScriptedService::new(Gate::default(), Probe::default(), never));
    let mut calling = call(&service, asking("300ms"));
    assert!(poll(calling.as_mut()).is_pending());
    advance(300 * MS).await;
    let response = ready(poll(calling.as_mut()));
    let stopped = r#"hop.orders;dur=300;desc="budget=300 own=300 stage=handler cause=deadline""#;
    assert_eq!((response.status().as_u16(), entries(response.headers())), (504, vec![stopped]));
    let late = call(&service, asking("0")).await.unwrap();
    let refused = r#"hop.orders;dur=0;desc="own=0 stage=arrival cause=deadline""#;
    assert_eq!(entries(late.headers()), [refused]);
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_nothing_is_told() {
    let service = layer(Ledger::Off).layer(ScriptedService::new(Gate::default(), Probe::default(), busy));
    let response = call(&service, asking("300ms")).await.unwrap();
    assert_eq!(entries(response.headers()), ["db;dur=53"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_called_without_a_deadline_is_a_stage_too() {
    let calling = |_: Request<crate::WatchedBody<ScriptedBody>>| async {
        sleep(5 * MS).await;
        let upstream = tower::service_fn(|_: Request<()>| async {
            sleep(20 * MS).await;
            Ok::<_, ScriptedError>(Response::new(ScriptedBody::default()))
        });
        crate::PropagateLayer::new().layer(upstream).oneshot(Request::new(())).await.unwrap();
        Outcome::Ok(Response::new(ScriptedBody::default()))
    };
    let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), calling));
    let response = call(&service, plain()).await.unwrap();
    assert_eq!(entries(response.headers()), [r#"hop.orders;dur=25;desc="upstream=20 own=5 sent=5""#]);
}

/// What the next hop says of its time; another metric of it is its own.
fn charged() -> Response<ScriptedBody> {
    let entry = r#"db;dur=53, hop.payments;dur=20;desc="budget=90 own=20 stage=handler cause=deadline""#;
    Response::builder().header(&SERVER_TIMING, entry).body(ScriptedBody::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_handlers_own_has_the_entries_of_the_hops_that_it_called_and_one_passed_on_has_them_once() {
    const PAYMENTS: &str = r#"hop.payments;dur=20;desc="budget=90 own=20 stage=handler cause=deadline""#;
    for (request, passes_on) in [(asking("300ms"), false), (plain(), false), (asking("300ms"), true)] {
        let calling = move |_: Request<crate::WatchedBody<ScriptedBody>>| async move {
            let upstream = tower::service_fn(|_: Request<()>| async { Ok::<_, ScriptedError>(charged()) });
            let answer = crate::PropagateLayer::new().layer(upstream).oneshot(Request::new(())).await.unwrap();
            let fields = answer.headers().clone();
            let mut response = Response::new(ScriptedBody::default());
            if passes_on {
                *response.headers_mut() = fields;
            }
            Outcome::Ok(response)
        };
        let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), calling));
        let response = call(&service, request).await.unwrap();
        let told = server_timing::entries(response.headers()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], PAYMENTS);
        assert!(told[1].starts_with("hop.orders;"), "{told:?}");
        assert_eq!(entries(response.headers())[0].contains("db;dur=53"), passes_on);
    }
}

/// R8: it was on its way for so long, and the client has waited for that too.
#[tokio::test(start_paused = true)]
async fn time_in_a_queue_before_the_arrival_is_a_stage_and_part_of_the_whole() {
    let mut request = asking("3s");
    #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
    let ahead = std::time::SystemTime::now() - 250 * MS;
    let since = ahead.duration_since(std::time::UNIX_EPOCH).unwrap();
    request.headers_mut().insert("x-request-start", format!("t={}", since.as_millis()).parse().unwrap());
    let service = layer(Ledger::Inside).dialects(crate::Dialects::default().trust_request_start(true));
    let service = service.layer(ScriptedService::new(Gate::default(), Probe::default(), busy));
    let response = call(&service, request).await.unwrap();
    let told = server_timing::entries(response.headers());
    let [entry] = &told[..] else { panic!("{told:?}") };
    let queued = entry.stages()[0];
    // The wall clock goes on.
    assert!(queued.0 == Stage::Queue && queued.1 >= 250 * MS, "{entry}");
    assert_eq!((entry.took() - queued.1, entry.own()), (65 * MS, 10 * MS));
    assert_eq!(entry.first_call().map(|sent| sent - queued.1), Some(15 * MS));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_switches_protocols_has_no_entry_and_a_call_of_grpc_has_one_in_its_head() {
    for (status, told) in [(101, 0), (200, 1), (204, 1), (304, 1)] {
        let answer = move |_| async move {
            Outcome::Ok(Response::builder().status(status).body(ScriptedBody::default()).unwrap())
        };
        let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), answer));
        assert_eq!(entries(call(&service, plain()).await.unwrap().headers()).len(), told, "{status}");
    }
    let mut request = asking("0");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), busy));
    let late = call(&service, request).await.unwrap();
    assert_eq!((late.headers()["grpc-status"].to_str().unwrap(), entries(late.headers()).len()), ("4", 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_tells_of_is_a_stop_here_and_what_another_hop_has_told_is_none() {
    let stopped = |trail: Option<&str>| {
        let deadline = crate::Deadline::after(crate::now(), 300 * MS);
        let exceeded = crate::Exceeded::new(deadline, Stage::Database, crate::Cause::Deadline, crate::now());
        match trail.and_then(|trail| Trail::parse(trail.as_bytes())) {
            Some(trail) => exceeded.with_trail(trail),
            None => exceeded,
        }
    };
    const BELOW: &str = "origin=header, stage=pool, cause=deadline, hop=\"payments\"";
    for (trail, told) in [(None, " stage=database cause=deadline"), (Some(BELOW), "")] {
        let answer = move |_| async move {
            let mut response = Response::new(ScriptedBody::full(""));
            response.extensions_mut().insert(stopped(trail));
            Outcome::Ok(response)
        };
        let service = layer(Ledger::Inside).layer(ScriptedService::new(Gate::default(), Probe::default(), answer));
        let response = call(&service, plain()).await.unwrap();
        assert_eq!(entries(response.headers()), [format!("hop.orders;dur=0;desc=\"own=0{told}\"")]);
    }
}

#[tokio::test(start_paused = true)]
async fn layers_apart_tell_the_same() {
    let answers = || Answers::new().hop("orders");
    let service = ServiceBuilder::new()
        .layer(AdmitLayer::new(Policy::new().ledger(Ledger::Inside)).answers(answers()))
        .layer(RescueLayer::new().answers(answers()))
        .layer(EnforceLayer::new())
        .service(ScriptedService::new(Gate::default(), Probe::default(), busy));
    let done = r#"hop.orders;dur=65;desc="budget=300 pool=5 upstream=30 database=20 own=10 sent=15""#;
    let response = call(&service, asking("300ms")).await.unwrap();
    assert_eq!(entries(response.headers()), ["db;dur=53", done]);
    let stopped = r#"hop.orders;dur=12;desc="budget=12 pool=2 own=10 stage=pool cause=deadline""#;
    let response = call(&service, asking("12ms")).await.unwrap();
    assert_eq!((response.status().as_u16(), entries(response.headers())), (504, vec![stopped]));
}
