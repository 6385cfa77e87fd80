//! What is counted of outgoing calls, and of tasks.

use super::*;
use crate::spawn;
use http_deadline::Ambient;

fn client(layer: &PropagateLayer) -> impl Service<Request<()>, Error = crate::PropagateError> + use<> {
    let upstream = |_: Request<()>| -> Ready<Outcome> { ready(Ok(Response::new(ScriptedBody::full("")))) };
    layer.layer(ScriptedService::new(Gate::default(), Probe::default(), upstream))
}

/// Calls once; whether it was sent.
fn calls(layer: &PropagateLayer, request: Request<()>) -> bool {
    let mut client = client(layer);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    let mut calling = Box::pin(client.call(request));
    matches!(poll(calling.as_mut()), std::task::Poll::Ready(Ok(_)))
}

fn with(deadline: Option<u32>, policy: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(millis) = deadline {
        request.extensions_mut().insert(Deadline::after(now(), millis * MS));
    }
    if let Some(policy) = policy {
        request.extensions_mut().insert(Journey::new(Policy::new().named(policy).into(), true));
    }
    request
}

fn counted(counts: &Counts) -> Vec<String> {
    let all = ["deadline_attempts", "deadline_missing", "deadline_unsent"].map(|name| counts.of(name));
    all.into_iter().flatten().map(|(name, times)| format!("{name} {times}")).collect()
}

// R16, R21
#[tokio::test(start_paused = true)]
async fn a_call_is_an_attempt_or_was_not_sent_and_lacks_a_deadline_or_has_one() {
    let strict = PropagateLayer::new().on_missing(OnMissing::Reject);
    let own = PropagateLayer::new().timeout(BUDGET);
    for (layer, request, expected) in [
        (PropagateLayer::new(), with(Some(1), Some("shop")), &["deadline_attempts_total{policy=shop} 1"][..]),
        (PropagateLayer::new(), with(Some(0), Some("shop")), &["deadline_unsent_total{policy=shop} 1"]),
        (PropagateLayer::new(), with(Some(1), None), &["deadline_attempts_total{policy=none} 1"]),
        (
            PropagateLayer::new(),
            with(None, Some("shop")),
            &["deadline_attempts_total{policy=shop} 1", "deadline_missing_total{policy=shop} 1"],
        ),
        (own, with(None, None), &["deadline_attempts_total{policy=none} 1", "deadline_missing_total{policy=none} 1"]),
        (strict, with(None, None), &["deadline_missing_total{policy=none} 1"]),
    ] {
        let counts = Counts::default();
        let _recording = counts.record();
        calls(&layer, request);
        assert_eq!(counted(&counts), expected);
    }
}

/// A request without a deadline has no journey until somebody asks for it.
#[tokio::test(start_paused = true)]
async fn the_policy_of_a_call_is_that_of_the_request_around_it() {
    let counts = Counts::default();
    let _recording = counts.record();
    let layer = PropagateLayer::new();
    let mut around = Ambient::unbounded(Policy::new().named("shop").into());
    assert!(around.run(|| calls(&layer, with(None, None))));
    assert!(around.journey().is_none(), "nothing is made for a count");
    let expected = ["deadline_attempts_total{policy=shop} 1", "deadline_missing_total{policy=shop} 1"];
    assert_eq!(counted(&counts), expected);
}

/// As a proxy does once it has a connection, and an interceptor that has nothing else.
#[tokio::test(start_paused = true)]
async fn fields_that_are_written_again_are_no_other_call() {
    let counts = Counts::default();
    let _recording = counts.record();
    let layer = PropagateLayer::new();
    let fresh = layer.clone();
    let rewriting = move |mut request: Request<()>| {
        let (extensions, mut headers) = (request.extensions().clone(), std::mem::take(request.headers_mut()));
        ready(fresh.write(&mut headers, &extensions).map(|_| Response::new(ScriptedBody::full(""))))
    };
    let mut client = layer.layer(tower::service_fn(rewriting));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    assert!(poll(Box::pin(client.call(with(None, None))).as_mut()).is_ready());
    let expected = ["deadline_attempts_total{policy=none} 1", "deadline_missing_total{policy=none} 1"];
    assert_eq!(counted(&counts), expected);
    let mut headers = http::HeaderMap::new();
    assert!(layer.write(&mut headers, &http::Extensions::new()).is_ok());
    assert_eq!(counts.of("deadline_missing"), [("deadline_missing_total{policy=none}".to_owned(), 2)]);
    assert!(layer.write(&mut headers, with(Some(0), None).extensions()).is_err());
    assert_eq!(counts.of("deadline_unsent").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_malformed_element_is_counted_whether_it_is_refused_or_ignored() {
    for policy in [Policy::new(), Policy::new().on_invalid(http_deadline::OnInvalid::Ignore), observing()] {
        let counts = Counts::default();
        let _recording = counts.record();
        let mut request = asking("a, 1s, b");
        request.headers_mut().insert("grpc-timeout", "1x".parse().unwrap());
        admit(policy, request);
        let expected = [("grpc-timeout", 1), ("x-request-timeout", 2)]
            .map(|(dialect, times)| (format!("deadline_invalid_total{{dialect={dialect}}}"), times));
        assert_eq!(counts.of("deadline_invalid"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_got_less_than_it_asked_for_is_counted() {
    for (timeout, truncated) in [("299ms", false), ("300ms", false), ("301ms", true)] {
        let counts = Counts::default();
        let _recording = counts.record();
        admit(Policy::new().named("shop").default_timeout(BUDGET), asking(timeout));
        assert_once(&counts, if truncated { &["deadline_truncated_total{policy=shop}"] } else { &[] });
    }
}

// R15
#[tokio::test(start_paused = true)]
async fn a_task_that_ends_because_its_request_has_is_counted_and_no_other() {
    let counts = Counts::default();
    let _recording = counts.record();
    let done = scope(Deadline::after(now(), BUDGET), async { spawn(async {}).await });
    assert!(done.await.unwrap().unwrap().is_ok());
    let left = scope(Deadline::after(now(), BUDGET), async { vec![spawn(std::future::pending::<()>())] });
    assert!(left.await.unwrap().remove(0).await.unwrap().is_err());
    let dropped = spawn(std::future::pending::<()>());
    dropped.abort();
    assert!(dropped.await.is_err());
    assert_once(&counts, &["deadline_tasks_aborted_total{}"]);
}
