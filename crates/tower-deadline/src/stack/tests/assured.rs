//! What users assert of their services, asserted of ours: it propagated, and it left nothing behind.

use crate::testing::{BUDGET, MS, asking};
use crate::timer::tests::armed;
use crate::{BoxError, DeadlineLayer, Dialect, Dialects, Policy, PropagateLayer, WatchedBody, spawn};
use deadline_testkit::{Leftovers, ScriptedBody, ScriptedError, SentProbe, Step, assert_propagated};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::future::{pending, ready};
use std::time::Duration;
use tokio::time::sleep;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};

type Orders = BoxCloneService<Request<ScriptedBody>, Response<crate::DeadlineBody<ScriptedBody>>, ScriptedError>;

const SPENT: Duration = Duration::from_millis(100);

/// A service that works for 100 ms and then calls another, by this client, twice.
fn orders(client: PropagateLayer, sent: &SentProbe) -> Orders {
    let sent = sent.clone();
    let upstream = service_fn(move |request: Request<ScriptedBody>| {
        sent.saw(&request);
        ready(Ok::<_, ScriptedError>(Response::new(ScriptedBody::full("charged"))))
    });
    let client = client.layer(upstream);
    let handler = service_fn(move |request: Request<WatchedBody<ScriptedBody>>| {
        let client = client.clone();
        async move {
            sleep(SPENT).await;
            for _ in 0..2 {
                // As a proxy does it: whatever came in goes on.
                let mut call = Request::new(ScriptedBody::full(""));
                call.headers_mut().clone_from(request.headers());
                client.clone().oneshot(call).await.map_err(|_| ScriptedError)?;
                sleep(MS).await;
            }
            Ok::<_, ScriptedError>(Response::new(ScriptedBody::full("ordered")))
        }
    });
    DeadlineLayer::new(Policy::new()).layer(handler).boxed_clone()
}

// R2, R9, R21
#[tokio::test(start_paused = true)]
async fn a_service_propagates_whatever_came_in_fresh_and_once() {
    for fields in [
        vec![("x-request-timeout", "300ms")],
        vec![("x-request-timeout", "300ms"), ("x-request-timeout", "250ms"), ("grpc-timeout", "1S")],
        vec![("connect-timeout-ms", "300"), ("x-envoy-expected-rq-timeout-ms", "900")],
        vec![("grpc-timeout", "300m"), ("content-type", "application/grpc")],
    ] {
        for client in [
            PropagateLayer::new(),
            PropagateLayer::new().dialects(Dialects::default().with_write(Dialect::EnvoyExpected)),
            PropagateLayer::new().timeout(50 * MS),
        ] {
            let (mut request, sent) = (crate::testing::plain(), SentProbe::default());
            for (name, value) in &fields {
                request.headers_mut().append(*name, value.parse().unwrap());
            }
            let arrived = request.headers().clone();
            let response = orders(client, &sent).oneshot(request).await.unwrap();
            assert!(response.status().is_success(), "{fields:?}");
            assert_eq!(sent.headers().len(), 2);
            assert_propagated(&arrived, SPENT, &sent.headers());
        }
    }
}

/// The assertion is not met by a client without the layer.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "grants more than the 200ms that are left")]
async fn a_client_that_passes_the_field_on_as_it_came_does_not_propagate() {
    let (request, sent) = (asking("300ms"), SentProbe::default());
    let arrived = request.headers().clone();
    sleep(SPENT).await;
    sent.saw(&request);
    assert_propagated(&arrived, SPENT, &sent.headers());
}

/// Reads the whole answer; how it ended.
async fn client(orders: Orders, timeout: &'static str) -> Result<(), BoxError> {
    orders.oneshot(asking(timeout)).await?.into_body().collect().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_in_any_way_leaves_nothing_behind() {
    let leftovers = Leftovers::watch();
    let sent = SentProbe::default();
    for timeout in ["300ms", "50ms", "0ms", "soon"] {
        let outcome = leftovers.run(client(orders(PropagateLayer::new(), &sent), timeout)).await;
        assert!(outcome.is_ok(), "{timeout}: {outcome:?}");
        leftovers.assert_none().await;
    }
    // A client that leaves.
    let _ = tokio::time::timeout(SPENT / 2, leftovers.run(client(orders(PropagateLayer::new(), &sent), "300ms"))).await;
    leftovers.assert_none().await;
}

/// Answers at once with a body that stalls, beside a child that would go on for ever.
fn streaming() -> Orders {
    let handler = service_fn(|_: Request<WatchedBody<ScriptedBody>>| {
        drop(spawn(pending::<()>()));
        ready(Ok::<_, ScriptedError>(Response::new(ScriptedBody::new([Step::Data("some"), Step::Stall]))))
    });
    DeadlineLayer::new(Policy::new()).layer(handler).boxed_clone()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_leaves_nothing_behind_at_its_deadline() {
    let leftovers = Leftovers::watch();
    let outcome = leftovers.run(client(streaming(), "300ms")).await;
    assert!(outcome.is_err());
    leftovers.assert_none().await;
}

/// Before that there are its child and its timer, and the assertion sees both.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "tasks: 1, timers or others that wait: 1, connections: 0")]
async fn a_body_that_somebody_holds_keeps_its_child_and_its_timer() {
    let leftovers = Leftovers::watch();
    let held = leftovers.run(async {
        let mut body = Box::pin(streaming().oneshot(asking("300ms")).await.unwrap().into_body());
        body.frame().await.unwrap().unwrap();
        let waiting = tokio::time::timeout(BUDGET / 2, body.frame()).await;
        assert!(waiting.is_err());
        body
    });
    let _held = held.await;
    // The child has one of its own: after the head nobody promises to look.
    assert_eq!(armed(), 2);
    leftovers.assert_none().await;
}
