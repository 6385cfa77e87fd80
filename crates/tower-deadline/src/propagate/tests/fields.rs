//! R2, R9, R16, R21: which fields leave, and when nothing does.

use super::*;
use crate::testing::{poll, ready as now_ready};
use crate::{Cause, Dialect, Dialects, Mode, OnMissing, Outgoing, PropagateError, Stage};
use http::HeaderName;
use http_deadline::{Ambient, enter};
use std::task::Poll;
use std::time::Duration;
use tokio::time::advance;

/// The deadline fields of these headers.
fn fields(headers: &HeaderMap) -> Vec<String> {
    let others = ["content-type", "x-request-id"].map(HeaderName::from_static);
    let ours = headers.iter().filter(|(name, _)| !others.contains(name));
    let mut lines: Vec<_> = ours.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_written_less_the_reserve() {
    let mut upstream = upstream(&PropagateLayer::new());
    for (spent, reserve, field) in [(0, 0, "300ms"), (120, 0, "180ms"), (120, 20, "160ms"), (299, 0, "1ms")] {
        let mut request = within(300);
        request.extensions_mut().insert(journey(Policy::new().reserve(reserve * MS)));
        advance(spent * MS).await;
        now_ready(poll(send(&mut upstream.client, request).as_mut()));
        assert_eq!(fields(&upstream.sent()), [format!("x-request-timeout: {field}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_cut_off_and_not_rounded() {
    let mut upstream = upstream(&PropagateLayer::new());
    let request = within(300);
    advance(Duration::from_micros(119_001)).await;
    now_ready(poll(send(&mut upstream.client, request).as_mut()));
    assert_eq!(fields(&upstream.sent()), ["x-request-timeout: 180ms"]);
}

#[tokio::test(start_paused = true)]
async fn every_stale_dialect_is_removed_and_each_kind_of_call_has_its_own() {
    let kinds = [
        ("application/json", &["x-request-timeout: 300ms"][..]),
        ("application/grpc", &["grpc-timeout: 300000u", "x-request-timeout: 300ms"]),
        ("application/connect+json", &["connect-timeout-ms: 300", "x-request-timeout: 300ms"]),
    ];
    let mut upstream = upstream(&PropagateLayer::new());
    for (content_type, expected) in kinds {
        let mut request = within(300);
        for dialect in Dialect::ALL {
            for stale in ["9000", "8000"] {
                request.headers_mut().append(dialect.as_str(), stale.parse().unwrap());
            }
        }
        request.headers_mut().insert("x-request-start", "t=1700000000".parse().unwrap());
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        request.headers_mut().insert("x-request-id", "7".parse().unwrap());
        now_ready(poll(send(&mut upstream.client, request).as_mut()));
        assert_eq!(fields(&upstream.sent()), expected);
        assert_eq!(upstream.sent()["x-request-id"], "7");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_no_field_leaves_either() {
    let mut upstream = upstream(&PropagateLayer::new());
    let mut request = Request::new(());
    request.headers_mut().insert("x-request-timeout", "9s".parse().unwrap());
    now_ready(poll(send(&mut upstream.client, request).as_mut()));
    assert!(fields(&upstream.sent()).is_empty());
}

// R21
#[tokio::test(start_paused = true)]
async fn the_sooner_of_extension_ambient_and_own_limit_is_written() {
    for (extension, ambient, own, sent) in [
        (Some(200), Some(250), None, "200ms"),
        (Some(250), Some(200), None, "200ms"),
        (None, Some(250), None, "250ms"),
        (None, None, Some(100), "100ms"),
        (Some(200), Some(250), Some(100), "100ms"),
        (Some(200), Some(250), Some(900), "200ms"),
    ] {
        let layer = own.map_or_else(PropagateLayer::new, |own: u32| PropagateLayer::new().timeout(own * MS));
        let mut upstream = upstream(&layer);
        let request = extension.map_or_else(|| Request::new(()), within);
        let _entered = ambient.map(|ambient: u32| enter(Deadline::after(now(), ambient * MS)));
        now_ready(poll(send(&mut upstream.client, request).as_mut()));
        assert_eq!(fields(&upstream.sent()), [format!("x-request-timeout: {sent}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_further_in_finds_the_sooner_deadline_in_the_extensions() {
    let told = tower::service_fn(|mut request: Request<()>| {
        let mut response = Response::new(ScriptedBody::full("charged"));
        std::mem::swap(response.extensions_mut(), request.extensions_mut());
        ready(Ok::<_, ScriptedError>(response))
    });
    let mut client = PropagateLayer::new().timeout(200 * MS).layer(told);
    for (carried, found) in [(199, 199), (200, 200), (300, 200)] {
        let response = now_ready(poll(send(&mut client, within(carried)).as_mut()));
        let deadline = response.extensions().get::<Deadline>().copied();
        assert_eq!(deadline.map(|deadline| deadline.remaining(now())), Some(found * MS));
    }
}

#[tokio::test(start_paused = true)]
async fn the_reserve_is_that_of_the_journey_around() {
    let mut upstream = upstream(&PropagateLayer::new());
    let deadline = Deadline::after(now(), 300 * MS);
    let mut around = Ambient::new(Some(deadline), Some(journey(Policy::new().reserve(50 * MS))));
    around.run(|| now_ready(poll(send(&mut upstream.client, Request::new(())).as_mut())));
    assert_eq!(fields(&upstream.sent()), ["x-request-timeout: 250ms"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_can_be_refused() {
    let mut upstream = upstream(&PropagateLayer::new().on_missing(OnMissing::Reject));
    let refused = poll(send(&mut upstream.client, Request::new(())).as_mut());
    assert!(matches!(refused, Poll::Ready(Err(PropagateError::Missing { .. }))));
    assert_eq!(upstream.probe.called(), 0);
    now_ready(poll(send(&mut upstream.client, within(300)).as_mut()));
    assert_eq!(upstream.probe.called(), 1);
}

// R21
#[tokio::test(start_paused = true)]
async fn a_limit_of_the_layers_own_is_no_deadline_that_is_found() {
    let limited = PropagateLayer::new().timeout(100 * MS);
    let mut strict = upstream(&limited.clone().on_missing(OnMissing::Reject));
    let refused = poll(send(&mut strict.client, Request::new(())).as_mut());
    assert!(matches!(refused, Poll::Ready(Err(PropagateError::Missing { .. }))));
    now_ready(poll(send(&mut strict.client, within(300)).as_mut()));
    assert_eq!(fields(&strict.sent()), ["x-request-timeout: 100ms"]);
    let mut around = Ambient::new(Some(Deadline::after(now(), 50 * MS)), None);
    around.run(|| now_ready(poll(send(&mut strict.client, Request::new(())).as_mut())));
    assert_eq!((strict.probe.called(), fields(&strict.sent())), (2, vec!["x-request-timeout: 50ms".to_owned()]));
    let mut open = upstream(&limited);
    now_ready(poll(send(&mut open.client, Request::new(())).as_mut()));
    assert_eq!(fields(&open.sent()), ["x-request-timeout: 100ms"]);
}

#[track_caller]
fn is_unsent<B: std::fmt::Debug>(polled: Poll<Result<B, PropagateError>>) {
    let Poll::Ready(Err(PropagateError::Exceeded(exceeded))) = polled else { panic!("{polled:?}") };
    assert_eq!((exceeded.stage(), exceeded.cause()), (Stage::Unsent, Cause::Deadline));
}

// R16
#[tokio::test(start_paused = true)]
async fn a_call_with_nothing_left_is_not_sent() {
    let mut upstream = upstream(&PropagateLayer::new());
    for (spent, reserve) in [(300, 0), (301, 0), (250, 50), (0, 300), (0, 500)] {
        let mut request = within(300);
        request.extensions_mut().insert(journey(Policy::new().reserve(reserve * MS)));
        advance(spent * MS).await;
        is_unsent(poll(send(&mut upstream.client, request).as_mut()));
    }
    assert_eq!(upstream.probe.called(), 0);
}

/// There is time for it, but the receiver could not be told how little.
#[tokio::test(start_paused = true)]
async fn a_call_whose_dialect_cannot_express_what_is_left_is_not_sent() {
    let mut upstream = upstream(&PropagateLayer::new());
    let mut request = within(300);
    request.headers_mut().insert("content-type", "application/connect+json".parse().unwrap());
    advance(Duration::from_micros(299_001)).await;
    is_unsent(poll(send(&mut upstream.client, request).as_mut()));
    assert_eq!(upstream.probe.called(), 0);
}

/// A layer that writes no field has no dialect that could fail to express a zero.
#[tokio::test(start_paused = true)]
async fn a_call_with_nothing_left_is_not_sent_without_a_field_either() {
    let silent = PropagateLayer::new().dialects(Dialects::default().without_write(Dialect::XRequestTimeout));
    let mut upstream = upstream(&silent);
    let request = within(300);
    now_ready(poll(send(&mut upstream.client, within(300)).as_mut()));
    advance(300 * MS).await;
    is_unsent(poll(send(&mut upstream.client, request).as_mut()));
    assert_eq!(upstream.probe.called(), 1);
    assert!(fields(&upstream.sent()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_withholds_nothing_and_sends_without_the_field() {
    let mut upstream = upstream(&PropagateLayer::new());
    for (spent, expected) in [(120, &["x-request-timeout: 180ms"][..]), (300, &[])] {
        let mut request = within(300);
        request.extensions_mut().insert(journey(Policy::new().mode(Mode::Observe)));
        advance(spent * MS).await;
        now_ready(poll(send(&mut upstream.client, request).as_mut()));
        assert_eq!(fields(&upstream.sent()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_absolute_field_is_written_where_it_is_wanted() {
    let absolute = Dialects::default().with_write(Dialect::XRequestDeadline);
    let mut upstream = upstream(&PropagateLayer::new().dialects(absolute));
    now_ready(poll(send(&mut upstream.client, within(300)).as_mut()));
    let at: u64 = upstream.sent()["x-request-deadline"].to_str().unwrap().parse().unwrap();
    // The wall clock is not the paused one: all that can be said is that it is not the epoch.
    assert!(at > 1_700_000_000_000);
}

/// Who writes the fields alone is told no more and no less than who sends (R16, R21).
#[tokio::test(start_paused = true)]
async fn what_is_written_alone_is_what_a_call_is_sent_with() {
    let policies = [
        Policy::new(),
        Policy::new().reserve(50 * MS),
        Policy::new().reserve(50 * MS).mode(Mode::Observe),
        Policy::new().outgoing(Outgoing::Require),
    ];
    let layers = [PropagateLayer::new(), PropagateLayer::new().timeout(100 * MS)];
    let mut seen = Vec::new();
    for (policy, layer) in policies.iter().flat_map(|policy| layers.iter().map(move |layer| (policy, layer))) {
        for (carried, around) in
            [(None, None), (Some(300), None), (None, Some(200)), (Some(300), Some(200)), (Some(40), None)]
        {
            let mut request = carried.map_or_else(|| Request::new(()), within);
            request.headers_mut().append("x-request-timeout", "9s".parse().unwrap());
            let (mut headers, extensions) = (request.headers().clone(), request.extensions().clone());
            let mut ambient = Ambient::unbounded(policy.clone().into());
            let mut upstream = upstream(layer);
            let (sent, written) = ambient.run(|| {
                let _entered = around.map(|around: u32| enter(Deadline::after(now(), around * MS)));
                let written = layer.write(&mut headers, &extensions);
                (poll(send(&mut upstream.client, request).as_mut()), written)
            });
            let Poll::Ready(sent) = sent else { panic!("it answers at once") };
            match (&sent, &written) {
                (Ok(_), Ok(_)) => assert_eq!(fields(&headers), fields(&upstream.sent())),
                (Err(PropagateError::Exceeded(_)), Err(PropagateError::Exceeded(_)))
                | (Err(PropagateError::Missing { .. }), Err(PropagateError::Missing { .. })) => {}
                other => panic!("{other:?}"),
            }
            seen.push(written.map(|_| fields(&headers).concat()).ok());
        }
    }
    let of = |field: &str| seen.iter().filter(|seen| seen.as_deref() == Some(field)).count();
    let unsent = seen.iter().filter(|seen| seen.is_none()).count();
    let found =
        [of(""), of("x-request-timeout: 50ms"), of("x-request-timeout: 150ms"), of("x-request-timeout: 200ms"), unsent];
    assert_eq!(found, [5, 8, 4, 4, 4], "{seen:#?}");
}
