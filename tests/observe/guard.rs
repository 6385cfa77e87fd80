//! The log: what is told of requests that fare ill, and how little of a storm.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Act, Asked, Finished, Http1Client, MS, Mirror, Proxy, Then, Told, Upstream, curl};

const CLIENTS: usize = 40;

/// As many of one cause are told at once.
const BURST: usize = 10;

/// Each client asks so often; the statuses.
async fn storm(proxy: &Proxy, each: usize, asked: impl Fn(usize) -> Asked) -> Vec<u16> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let asked: Vec<_> = (0..each).map(|number| asked(client * each + number)).collect();
        let mut client = Http1Client::connect(proxy.address).await;
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for asked in asked {
                let told: Told = asked.put(&mut client).await;
                statuses.push(told.status());
            }
            statuses
        });
    }
    clients.join_all().await.concat()
}

async fn finished(proxy: Proxy) -> Finished {
    proxy.program.terminate().await;
    proxy.program.finish().await
}

/// The lines that say this.
fn lines<'a>(finished: &'a Finished, what: &str) -> Vec<&'a str> {
    finished.stderr.lines().filter(|line| line.contains(what)).collect()
}

/// How many each of these lines says that were not told before it.
fn suppressed(lines: &[&str]) -> usize {
    let of = |line: &&str| line.split("suppressed=").nth(1)?.split_whitespace().next()?.parse::<usize>().ok();
    lines.iter().map(|line| of(line).unwrap_or_else(|| panic!("{line}"))).sum()
}

/// Fails unless there are as many lines as one cause may have in this time.
#[track_caller]
fn assert_few(lines: &[&str], took: Duration) {
    let most = BURST + usize::try_from(took.as_secs()).expect("a short time") + 1;
    assert!((1..=most).contains(&lines.len()), "{} in {took:?}: {lines:?}", lines.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_expiries_are_all_counted_and_told_in_a_few_lines() {
    const EACH: usize = 250;
    const ALL: usize = CLIENTS * EACH;
    let hole = Mirror::start(|_, _| Act::now(Then::Stall));
    let proxy = Proxy::of(&[("hole", hole.address)], "[[route]]\nupstream = \"hole\"\n").await;
    let start = Instant::now();
    // Every other one is late when it comes.
    let asked = |number: usize| Asked::get("/", if number.is_multiple_of(2) { MS } else { Duration::ZERO });
    let statuses = storm(&proxy, EACH, asked).await;
    assert_eq!(statuses, [504; ALL]);
    let counted = proxy.metric("deadline_exceeded_total", &["cause=\"deadline\""]).await;
    assert_eq!(counted as usize, ALL);
    let counted_late = proxy.metric("deadline_exceeded_total", &["stage=\"arrival\""]).await as usize;
    assert!(counted_late >= ALL / 2);
    let finished = finished(proxy).await;
    let took = start.elapsed();
    let (stopped, refused) = (lines(&finished, "request stopped"), lines(&finished, "request refused"));
    assert_few(&stopped, took);
    assert_few(&refused, took);
    assert!(stopped.len() + suppressed(&stopped) <= ALL / 2, "{stopped:?}");
    assert!(refused.len() + suppressed(&refused) <= ALL / 2, "{refused:?}");
    let told =
        |line: &&str| line.contains("INFO") && line.contains("cause=\"deadline\"") && line.contains("hop=\"proxy\"");
    assert!(stopped.iter().chain(&refused).all(told), "{stopped:?} {refused:?}");
    assert!(refused[0].contains("reason=\"exceeded\"") && refused[0].contains("origin_detail=x-request-timeout"));
    assert_few(&finished.stderr.lines().collect::<Vec<_>>(), 3 * took + Duration::from_secs(2 * BURST as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_refusals_are_told_by_their_reason_in_a_few_lines() {
    let gone = Mirror::start(|_, _| Act::now(Then::Close));
    let rest = "[[route]]\npath = \"/gone\"\nupstream = \"gone\"\n";
    let proxy = Proxy::of(&[("gone", gone.address)], rest).await;
    let start = Instant::now();
    let path = |number: usize| if number.is_multiple_of(2) { "/gone" } else { "/nowhere" };
    let statuses = storm(&proxy, 20, |number| Asked::get(path(number), 10_000 * MS)).await;
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), statuses.len() / 2);
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), statuses.len() / 2, "{statuses:?}");
    let counted = proxy.metric("deadline_proxy_refusals_total", &["reason=\"no_route\""]).await;
    assert_eq!(counted as usize, statuses.len() / 2);
    let finished = finished(proxy).await;
    let took = start.elapsed();
    let (failed, refused) = (lines(&finished, "status=502"), lines(&finished, "reason=\"no_route\""));
    assert_few(&failed, took);
    assert_few(&refused, took);
    assert!(failed.iter().all(|line| line.contains("WARN") && line.contains("broke off before its answer")));
    assert!(refused.iter().all(|line| line.contains("INFO")), "{refused:?}");
}

#[tokio::test]
async fn what_is_well_is_not_told() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for _ in 0..20 {
        assert_eq!(curl(&["-H", "X-Request-Timeout: 10s", &proxy.url("/")]).await.status, 200);
    }
    let finished = finished(proxy).await;
    assert!(!finished.stderr.contains("suppressed") && !finished.stderr.contains("WARN"), "{}", finished.stderr);
}

// R21
#[tokio::test]
async fn a_policy_that_requires_a_deadline_calls_no_upstream_without_one() {
    let mut upstream = Upstream::start().await;
    let rest = "[policy.default]\noutgoing = \"require\"\n[policy.open]\n\
                [[route]]\nupstream = \"app\"\n[[route]]\npath = \"/open\"\nupstream = \"app\"\npolicy = \"open\"\n";
    let proxy = Proxy::of(&[("app", upstream.address)], rest).await;
    let refused = curl(&[&proxy.url("/")]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["detail"], "no upstream is called here without a deadline, and the request has none");
    upstream.assert_untouched();
    let grpc =
        curl(&["-H", "Content-Type: application/grpc", "-H", "TE: trailers", "-X", "POST", &proxy.url("/a.B/C")]).await;
    assert_eq!((grpc.status, grpc.field("grpc-status")), (200, "13"));
    upstream.assert_untouched();
    assert_eq!(curl(&["-H", "X-Request-Timeout: 10s", &proxy.url("/")]).await.status, 200);
    upstream.request().await;
    // Counted, and sent, where the policy allows it.
    assert_eq!(curl(&[&proxy.url("/open")]).await.status, 200);
    assert!(upstream.request().await.headers.get("x-request-timeout").is_none());
    assert_eq!(proxy.metric("deadline_missing_total", &["policy=\"default\""]).await as usize, 2);
    assert_eq!(proxy.metric("deadline_missing_total", &["policy=\"open\""]).await as usize, 1);
    let finished = finished(proxy).await;
    let told = lines(&finished, "outgoing call without a deadline");
    assert!(
        told.iter().filter(|line| line.contains("WARN") && line.contains("policy=\"default\"")).count() == 2,
        "{told:?}"
    );
}

/// The limit of a try that somebody has set; the one of a chain by default is nobody's.
#[tokio::test]
async fn the_limit_of_a_try_is_counted_by_what_it_does_to_the_deadline() {
    let upstream = Upstream::start().await;
    let rest = "[[route]]\nupstream = \"app\"\ntry_timeout = \"5s\"\n[[route]]\npath = \"/open\"\nupstream = \"app\"\n";
    let proxy = Proxy::of(&[("app", upstream.address)], rest).await;
    for (timeout, path, truncated, pointless) in
        [("10s", "/", 1, 0), ("4s", "/", 1, 1), ("4s", "/open", 1, 1), ("10s", "/open", 1, 1)]
    {
        let field = format!("X-Request-Timeout: {timeout}");
        assert_eq!(curl(&["-H", &field, &proxy.url(path)]).await.status, 200);
        let counted = async |effect| proxy.metric("deadline_local_limits_total", &[effect]).await as usize;
        let counted = (counted("effect=\"truncated\"").await, counted("effect=\"pointless\"").await);
        assert_eq!(counted, (truncated, pointless), "{timeout} {path}");
    }
}
