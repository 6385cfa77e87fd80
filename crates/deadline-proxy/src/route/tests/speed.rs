//! How long it takes to make a table of ten thousand routes, and to look one up.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::Instant;

use super::super::Table;
use super::{request, routes};

const MANY: usize = 10_000;

/// Made in so long; half of all look-ups take the second at most, and all but one in a hundred the third.
fn measure(texts: &[String], asked: impl Fn(usize) -> String) -> (Duration, Duration, Duration) {
    let routes = routes(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let start = Instant::now();
    let table = Table::new(&routes);
    let made = start.elapsed();
    // Not in their order, which the caches of a machine would foretell.
    let requests: Vec<_> = (0..MANY).map(|at| at * 7_919 % MANY).map(|at| (at, request(&asked(at)))).collect();
    let mut times: Vec<Duration> = requests
        .iter()
        .map(|(at, request)| {
            let start = Instant::now();
            let found = black_box(table.find(black_box(request)));
            let time = start.elapsed();
            assert_eq!(found, Ok(*at));
            time
        })
        .collect();
    times.sort_unstable();
    (made, times[MANY / 2], times[MANY * 99 / 100])
}

#[test]
#[ignore = "prints figures, which mean something with --release alone"]
fn ten_thousand_routes() {
    let hosts: Vec<_> = (0..MANY).map(|at| format!("@h{}.shop.example /api/v1/p{}/*", at / 10, at % 10)).collect();
    let paths: Vec<_> = (0..MANY).map(|at| format!("@shop.example /api/v1/p{at}/{{id}}")).collect();
    let wildcards: Vec<_> = (0..MANY).map(|at| format!("@*.h{at}.shop.example /api/*")).collect();
    for (what, texts, asked) in [
        (
            "1000 hosts of 10 paths",
            hosts,
            (|at| format!("GET http://h{}.shop.example/api/v1/p{}/7", at / 10, at % 10)) as fn(usize) -> String,
        ),
        ("10000 paths of one host", paths, |at| format!("GET http://shop.example/api/v1/p{at}/7")),
        ("10000 wildcards", wildcards, |at| format!("GET http://a.h{at}.shop.example/api/v1/orders/7")),
    ] {
        let (made, half, most) = measure(&texts, asked);
        println!("{what}: made in {made:?}; look-up: p50 {half:?}, p99 {most:?}");
    }
}
