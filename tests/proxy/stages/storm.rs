//! All of it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use http::Request;

use super::{BUDGET, Leftovers};
use crate::support::{H2Client, Http1Client, MS, Proxy, Stopwatch, Upstream};

const REQUESTS: usize = 300;
const AT_ONCE: usize = 30;
const MEGABYTE: u64 = 1 << 20;

/// What a second storm may make the proxy grow by: what an allocator keeps.
const GROWTH: u64 = 24 * MEGABYTE;

/// What comes of a request of this kind, over HTTP/1.1 and over HTTP/2: a status, or nothing that is waited for.
async fn one(proxy: &Proxy, number: usize) -> Option<u16> {
    let paths = ["/", "/never", "/stops", "/flood", "/die", "/short", "/cut", "/stream"];
    let (path, kind) = (paths[number % paths.len()], number / paths.len() % 4);
    let leaves = kind == 3;
    if kind == 1 {
        let mut client = H2Client::connect(proxy.address).await;
        let request = Request::get(proxy.url(path)).header("x-request-timeout", "300ms").body(()).unwrap();
        let (response, _) = client.open(request, true).await;
        return if path == "/flood" { None } else { Some(H2Client::reply(response).await.status) };
    }
    let mut client = Http1Client::connect(proxy.address).await;
    let body = if kind == 2 { "content-length: 100\r\n\r\n0123456789" } else { "\r\n" };
    client.send(&format!("POST {path} HTTP/1.1\r\nhost: a\r\nx-request-timeout: 300ms\r\n{body}")).await;
    if leaves || path == "/flood" {
        return None;
    }
    let status = client.head().await.status();
    // To its end, whole or not; who keeps the connection is told the end by it.
    if status == 200 && ["/stops", "/short", "/cut"].contains(&path) {
        client.rest().await;
    }
    Some(status)
}

/// How many there were of each status; 0 where none was waited for.
async fn storm(proxy: &Proxy) -> [usize; 4] {
    let counts: Arc<[AtomicUsize; 4]> = Arc::default();
    let all = futures_util::stream::iter(0..REQUESTS).for_each_concurrent(AT_ONCE, |number| {
        let counts = Arc::clone(&counts);
        async move {
            let clock = Stopwatch::start();
            let status = one(proxy, number).await;
            assert!(clock.elapsed() < BUDGET + 2_000 * MS, "{number} took {:?}", clock.elapsed());
            let place = match status {
                None => 0,
                Some(200) => 1,
                Some(502 | 503) => 2,
                Some(504) => 3,
                Some(other) => panic!("{number}: {other}"),
            };
            counts[place].fetch_add(1, Ordering::Relaxed);
        }
    });
    all.await;
    std::array::from_fn(|place| counts[place].load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_storm_of_all_of_it_leaves_nothing_behind_and_a_second_one_no_more_than_the_first() {
    let upstream = Upstream::start().await;
    let arguments = ["--upstream-connections", "16", "--upstream-waiting", "8", "--upstream-idle", "200ms"];
    let proxy = Proxy::with(upstream.address, &[&arguments[..], &["--write-timeout", "300ms"]].concat()).await;
    let before = Leftovers::of(&proxy).await;
    let mut resident = Vec::new();
    for _ in 0..2 {
        let ends = storm(&proxy).await;
        assert_eq!(ends.iter().sum::<usize>(), REQUESTS);
        assert!(ends.iter().all(|count| *count > 0), "no storm of everything: {ends:?}");
        before.assert_again(&proxy).await;
        resident.push(proxy.program.resident());
    }
    let grown = resident[1].saturating_sub(resident[0]);
    assert!(grown < GROWTH, "grown by {} MB: {resident:?}", grown / MEGABYTE);
}
