//! The examples, as programs: each does what its first lines say.

use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use tokio::process::Command;
use tokio::time::sleep;
use tower_deadline::Dialect;

use crate::support::{Exchange, MS, Program, Upstream, assert_due, binary, curl, soon};

#[tokio::test]
async fn axum_service_answers_as_its_first_lines_say() {
    let mut program = Program::start("axum_service", ["127.0.0.1:0"]);
    let address = program.address().await;
    let url = |path: &str| format!("http://{address}{path}");

    let left = curl(&["-H", "X-Request-Timeout: 300ms", &url("/")]).await;
    assert_eq!(left.status, 200);
    assert!(left.text().ends_with(" ms of 300 ms left\n"), "{}", left.text());
    let slow = curl(&["-H", "X-Request-Timeout: 300ms", &url("/slow")]).await;
    assert_eq!(slow.status, 504);
    assert_due(slow.took, 300 * MS);
    assert_eq!(slow.field("deadline-exceeded"), r#"origin=header, stage=handler, cause=deadline, hop="orders""#);
    let words = curl(&["--data-binary", "one two three", &url("/count")]).await;
    assert_eq!((words.status, words.text().as_str()), (200, "3 words\n"));
    let failed = curl(&["--data-binary", "@/bin/sh", &url("/count")]).await;
    assert_eq!((failed.status, failed.body.len()), (500, 0));
}

/// `axum_postgres` with this server; without one, with one of its own.
fn axum_postgres(url: Option<&str>) -> Program {
    let mut command = Command::new(binary("axum_postgres"));
    command.arg("127.0.0.1:0").stdin(Stdio::null()).env_remove("DATABASE_URL");
    url.map(|url| command.env("DATABASE_URL", url));
    Program::launch("axum_postgres", command)
}

#[tokio::test]
async fn axum_postgres_answers_as_its_first_lines_say() {
    let mut program = axum_postgres(None);
    let address = program.address().await;
    let url = |path: &str| format!("http://{address}{path}");

    let slow = curl(&["-H", "X-Request-Timeout: 300ms", &url("/sleep/5")]).await;
    assert_eq!(slow.status, 504);
    assert_eq!(slow.field("deadline-exceeded"), r#"origin=header, stage=database, cause=deadline, hop="orders""#);
    assert_eq!(curl(&["--max-time", "0.3", &url("/sleep/5")]).await.status, 0);
    let active = async || curl(&[&url("/active")]).await.text();
    let at_rest = async {
        while active().await != "0\n" {
            sleep(5 * MS).await;
        }
    };
    soon("nothing to run", at_rest).await;
    for sold in 1..=2 {
        let ordered = curl(&["--data", "apples", &url("/orders")]).await;
        assert_eq!((ordered.status, ordered.text()), (200, format!("order {sold}: apples, {sold} sold\n")));
    }
    assert_eq!(curl(&[&url("/sleep/0.01")]).await.text(), "slept for 0.01 s\n");

    program.terminate().await;
    let finished = program.finish().await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[tokio::test]
async fn axum_postgres_says_what_is_wrong_with_its_database() {
    for (url, words) in [("nonsense", "invalid"), ("postgres://a@127.0.0.1:1/b", "no connection to the database: ")] {
        let finished = axum_postgres(Some(url)).finish().await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        assert!(finished.stderr.starts_with("axum_postgres: ") && finished.stderr.contains(words), "{finished:?}");
    }
}

#[tokio::test]
async fn reverse_proxy_stands_between_curl_and_an_upstream() {
    let mut upstream = Upstream::start().await;
    let mut program = Program::start("reverse_proxy", [&format!("http://{}", upstream.address), "127.0.0.1:0"]);
    let address = program.address().await;
    let url = |path: &str| format!("http://{address}{path}");

    let stream = curl(&["--http2", "-H", "X-Request-Timeout: 5s", &url("/stream")]).await;
    assert_eq!((stream.status, stream.text().as_str()), (200, "message 1\nmessage 2\nmessage 3\n"));
    let head = upstream.request().await;
    assert!(head.timeout() < Duration::from_secs(5) && !head.headers.contains_key("upgrade"), "{head:?}");
    let slow = curl(&["-H", "X-Request-Timeout: 300ms", &url("/slow")]).await;
    assert_eq!(slow.status, 504);
    assert_due(slow.took, 300 * MS);
    assert_eq!(slow.field("deadline-exceeded"), "origin=header, stage=upstream, cause=deadline");
    assert_eq!(upstream.exchange().await, Exchange::Played);
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    assert_eq!(curl(&[&url("/die")]).await.status, 502);
}

#[tokio::test]
async fn hyper_client_is_told_less_each_time_and_stops() {
    let finished = Program::run("hyper_client", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [told @ .., stopped, unsent] = &lines[..] else { panic!("{lines:?}") };
    let left = |line: &&str| {
        let value = line.strip_prefix("the server was told: ")?;
        Dialect::XRequestTimeout.decode(value.as_bytes(), UNIX_EPOCH).ok()?
    };
    let left: Vec<Option<Duration>> = told.iter().map(left).collect();
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(Option::is_some) && left.is_sorted_by(|a, b| a > b), "{lines:?}");
    assert!(left[0] < Some(300 * MS), "{lines:?}");
    assert!(stopped.starts_with("stopped: ") && unsent.starts_with("unsent: "), "{lines:?}");
}

#[tokio::test]
async fn background_work_ends_what_was_spawned_and_not_what_was_detached() {
    let finished = Program::run("background_work", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [answered, spawned, detached] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(answered, "answered: 200 OK");
    assert!(spawned.starts_with("spawned: ") && spawned.contains("ended"), "{spawned}");
    assert!(detached.starts_with("detached: done after the request"), "{detached}");
}

#[tokio::test]
async fn tonic_greeter_forwards_what_is_left_and_tells_who_stopped() {
    let finished = Program::run("tonic_greeter", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [in_front, behind, greeting, _, _, stopped, _, intercepted, answer] = lines[..] else { panic!("{lines:?}") };
    let left = |line: &str| line.split(' ').rev().nth(2).and_then(|left| left.parse::<u32>().ok()).expect("a number");
    assert!(in_front.starts_with("frontend: ") && behind.starts_with("backend: "), "{lines:?}");
    assert!(left(in_front) <= 500 && left(behind) + 40 <= left(in_front), "{lines:?}");
    assert_eq!((greeting, answer), ("client:   Hello, world!", "client:   Hello, interceptor!"));
    assert!(left(intercepted) <= 460, "{lines:?}");
    // The backend says so 2 ms before the channel gives up, which on a busy machine it may do first.
    let trails = ["stage=handler, cause=deadline, hop=\"backend\"", "stage=upstream, cause=deadline"];
    let told = trails.map(|trail| format!("client:   DeadlineExceeded, origin=header, {trail}"));
    assert!(told.iter().any(|told| told == stopped), "{stopped}");
}

#[tokio::test]
async fn policies_hold_each_route_to_its_own_and_tell_every_slip_in_a_file() {
    let finished = Program::run("policies", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let ok = |path: &str, asked: &str, rest: &str| format!("{path}, asking for {asked}: 200 OK, policy {rest}");
    assert_eq!(
        lines[..6],
        [
            r#"/payments/7, asking for nothing: 504 Gateway Timeout, origin=policy, stage=handler, cause=deadline, hop="shop""#.to_owned(),
            ok("/reports/7", "nothing", "report, 300s granted by policy report"),
            ok("/reports/7", "400s", "report, 400s granted by header x-request-timeout"),
            ok("/reports/7", "900s", "report, 600s granted by policy report"),
            ok("/search", "nothing", "trial, 100ms granted by policy trial"),
            ok("/elsewhere", "nothing", "default, 3s granted by policy default"),
        ]
    );
    let slips =
        ["<toml>:2:11: policy.default.timeout: ", "<toml>:3:1: policy.default.reserved: ", "<toml>:6:19: route."];
    assert_eq!(lines.len(), 6 + slips.len());
    assert!(lines[6..].iter().zip(slips).all(|(line, slip)| line.starts_with(slip)), "{lines:?}");
}

#[tokio::test]
async fn axum_to_reqwest_tells_each_hop_less_and_answers_for_the_one_that_is_stuck() {
    let finished = Program::run("axum_to_reqwest", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [orders, first, moved, charged, again, stuck, answered] = lines[..] else { panic!("{lines:?}") };
    let left = |line: &str| {
        let value = line.split(" was told ").nth(1).and_then(|told| told.split(' ').next());
        let left = value.and_then(|value| Dialect::XRequestTimeout.decode(value.as_bytes(), UNIX_EPOCH).ok()?);
        left.unwrap_or_else(|| panic!("{line}"))
    };
    assert!(orders.starts_with("orders") && left(orders) < 300 * MS, "{lines:?}");
    assert!(left(first) + 60 * MS <= left(orders), "less the reserve: {lines:?}");
    assert!(moved.ends_with("after the redirect") && left(moved) + 50 * MS <= left(first), "{lines:?}");
    assert_eq!(charged, "customer got 200 OK from /order/charge: charged");
    assert!(left(stuck) + 60 * MS <= left(again), "{lines:?}");
    assert!(answered.starts_with("customer got 504") && answered.contains(r#""hop":"payments""#), "{answered}");
}

#[tokio::test]
async fn two_tiers_gives_up_a_write_tries_a_read_again_and_falls_back_in_time() {
    let finished = Program::run("two_tiers", &[]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let [written, locked, well, lost, hangs, running] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(written, "primary: order 1");
    assert!(locked.starts_with("primary, locked: no order: deadline of 300ms exceeded in stage database"), "{locked}");
    assert!(locked.contains("set by policy payment"), "{locked}");
    assert_eq!(well, "replica, well: kettle and teapot in 1 of at most 2 attempts");
    assert_eq!(lost, "replica, lost: kettle and teapot in 2 of at most 2 attempts");
    let left = hangs.strip_prefix("replica, hangs: what sold best last week, with ");
    let left: Option<u32> = left.and_then(|left| left.strip_suffix(" ms left")?.parse().ok());
    // The server stops a moment before the deadline of the tier.
    assert!(left.is_some_and(|left| (1..150).contains(&left)), "{hangs}");
    assert_eq!(running, "running on the server: 0");
}
