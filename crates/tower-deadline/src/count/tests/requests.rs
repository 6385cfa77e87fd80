//! What is counted of each request.

use super::*;

fn counted(counts: &[(String, u64)]) -> Vec<(&str, u64)> {
    counts.iter().map(|(counter, count)| (counter.as_str(), *count)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_request_is_counted_once_by_who_set_its_deadline() {
    for (policy, request, origin) in [
        (Policy::new(), asking("1s"), "header"),
        (Policy::new().default_timeout(BUDGET), plain(), "policy"),
        (Policy::new(), plain(), "none"),
        (Policy::new(), asking("0"), "header"),
        (Policy::new(), asking("abc"), "none"),
    ] {
        let counts = Counts::default();
        let _recording = counts.record();
        let prompt = |_: Request<_>| ready(Outcome::Ok(Response::new(ScriptedBody::default())));
        let service = DeadlineLayer::new(policy.named("shop")).layer(ScriptedService::new(
            Gate::default(),
            Probe::default(),
            prompt,
        ));
        drop(now_ready(poll(call(&service, request).as_mut())));
        let expected = format!("deadline_requests_total{{origin={origin},policy=shop}}");
        assert_eq!(counted(&counts.requests()), [(expected.as_str(), 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_is_counted_once_with_where_and_why_and_who_set_the_deadline() {
    let counts = Counts::default();
    let _recording = counts.record();
    let never = |_: Request<_>| std::future::pending::<Outcome>();
    let service = DeadlineLayer::new(Policy::new().named("shop"));
    let service = service.layer(ScriptedService::new(Gate::default(), Probe::default(), never));
    let mut late = call(&service, asking("300ms"));
    assert!(poll(late.as_mut()).is_pending());
    advance(300 * MS).await;
    drop(now_ready(poll(late.as_mut())));
    let mut left = call(&service, plain());
    assert!(poll(left.as_mut()).is_pending());
    drop(left);
    assert_eq!(
        counted(&counts.all()),
        [
            ("deadline_exceeded_total{cause=client_gone,origin=none,policy=shop,stage=handler}", 1),
            ("deadline_exceeded_total{cause=deadline,origin=header,policy=shop,stage=handler}", 1),
        ]
    );
}
