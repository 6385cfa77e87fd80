//! `X-Request-Start`: what the upstream is told, and whose word counts as queue time (R8).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{TRUST, one, seen};
use crate::support::{MS, Proxy, Upstream, curl};

#[expect(clippy::disallowed_methods, reason = "the stamp of a front is an instant of the wall clock")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The stamp of a front that has held a request for so long.
fn stamp(held: Duration) -> String {
    format!("X-Request-Start: t={}", (wall_clock() - held).as_micros())
}

#[tokio::test]
async fn the_upstream_is_told_when_it_was_sent_where_that_is_wanted() {
    let before = wall_clock().as_micros();
    let (_proxy, head) = seen(&["--request-start"], &[]).await;
    let value = one(&head.headers, "x-request-start");
    let told: u128 = value.strip_prefix("t=").unwrap().parse().unwrap();
    assert!((before..=wall_clock().as_micros()).contains(&told), "{before} {told}");

    let old = stamp(3_000 * MS);
    let (_proxy, head) = seen(&[], &[&old]).await;
    assert!(!head.headers.contains_key("x-request-start"));
    // A front that is trusted saw it first; where there is a deadline, that time is taken off it already.
    let arguments = [&["--request-start"], &TRUST[..]].concat();
    let (_proxy, head) = seen(&arguments, &[&old]).await;
    assert_eq!(format!("X-Request-Start: {}", one(&head.headers, "x-request-start")), old);
    let (_proxy, head) = seen(&arguments, &[&old, "X-Request-Timeout: 9s"]).await;
    assert_ne!(format!("X-Request-Start: {}", one(&head.headers, "x-request-start")), old);
}

// R8
#[tokio::test]
async fn the_stamp_of_a_trusted_peer_is_queue_time_and_of_a_stranger_nothing() {
    let mut upstream = Upstream::start().await;
    for (arguments, left) in [(&TRUST[..], 6_000), (&[], 9_000), (&["--trust", "10.0.0.0/8"], 9_000)] {
        let proxy = Proxy::with(upstream.address, arguments).await;
        let ask = async |held| {
            let stamp = stamp(held);
            let fields = ["-H", &stamp, "-H", "X-Request-Timeout: 9s"];
            curl(&[&fields[..], &["-H", "Connection: X-Request-Start", &proxy.url("/")]].concat()).await
        };
        assert_eq!(ask(3_000 * MS).await.status, 200);
        let timeout = upstream.request().await.timeout();
        assert!(((left - 2_000) * MS..left * MS).contains(&timeout), "{arguments:?}: {timeout:?}");
        // All of it was spent before it came.
        let is_late = left < 9_000;
        assert_eq!(ask(10_000 * MS).await.status, if is_late { 504 } else { 200 }, "{arguments:?}");
        if !is_late {
            upstream.request().await;
        }
        upstream.assert_no_more();
    }
}
