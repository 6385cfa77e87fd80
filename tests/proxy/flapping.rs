//! An upstream that fails half of the time: what may be sent again, and how often.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    Act, Asked, Chance, Http1Client, MS, Mirror, Proxy, SLACK, Then, Told, Visit, crowd, eventually, soon,
};

const REQUESTS: usize = 3_000;
const CONNECTIONS: usize = 30;
const WHOLE: Duration = Duration::from_secs(5);

/// Fails half of the time, in all the ways that are worth another attempt, and takes a few milliseconds.
fn flap(_: &Visit, number: usize) -> Act {
    let mut chance = Chance::of(11, number);
    let after = chance.millis(1..8);
    let act = match chance.share() {
        ..0.3 => Act::answer(503, "", "busy\n"),
        ..0.4 => Act::now(Then::Reset),
        ..0.5 => Act::now(Then::Close),
        _ => Act::answer(200, "", "ok\n"),
    };
    Act { after, ..act }
}

/// Fails for the first time, and does then what is asked.
fn once(status: u16, fields: &'static str) -> impl Fn(&Visit, usize) -> Act + Send + Sync {
    move |_, number| if number == 0 { Act::answer(status, fields, "busy\n") } else { Act::answer(200, "", "ok\n") }
}

/// A proxy in front of this one, which retries, with what else its file says.
async fn retrying(mirror: &Mirror, policy: &str, more: &str) -> Proxy {
    let policy = format!("[policy.default]\n{policy}\n[[route]]\nupstream = \"flapping\"\n{more}");
    Proxy::of(&[("flapping", mirror.address)], &policy).await
}

async fn ask(proxy: &Proxy, asked: Asked) -> Told {
    asked.put(&mut Http1Client::connect(proxy.address).await).await
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_flaps_is_asked_little_more_often_than_clients_ask() {
    let mirror = Mirror::start(flap);
    let proxy = retrying(&mirror, "retries = 2\nbackoff = \"5ms\"", "").await;
    let told = crowd(&proxy, CONNECTIONS, REQUESTS, |number| Asked::get(format!("/{number}"), WHOLE)).await;

    let attempts = mirror.visits().len();
    let answered = told.iter().filter(|answer| answer.status() == 200).count();
    let (amplification, answered) = (ratio(attempts, REQUESTS), ratio(answered, REQUESTS));
    assert!((1.1..=1.3).contains(&amplification), "{amplification}: too much, or no retries at all");
    assert!(answered > 0.52, "retries are of use: {answered}");

    // The counts say what was seen at the upstream, but for whoever found no connection.
    let of = |kind: &str| format!("kind=\"{kind}\"");
    let name = "deadline_proxy_attempts_total";
    let first = proxy.metric(name, &[&of("first")]).await;
    let retries = proxy.metric(name, &[&of("retry")]).await;
    assert_eq!(first, ratio(REQUESTS, 1));
    assert!((first + retries - ratio(attempts, 1)).abs() <= 5.0, "{first} and {retries}, and {attempts} were seen");
    assert!(proxy.metric("deadline_proxy_retries_withheld_total", &["reason=\"budget\""]).await > 0.0);
    assert_measured(&proxy, (first + retries) / first).await;
    assert_eq!(proxy.metric("deadline_proxy_retry_alarm", &[]).await, 0.0);
}

/// The gauge says so, once it has been measured after all of it: every 5 s.
async fn assert_measured(proxy: &Proxy, expected: f64) {
    let measured = async {
        loop {
            let measured = proxy.metric("deadline_proxy_retry_amplification", &["upstream=\"flapping\""]).await;
            if (measured - expected).abs() < 0.001 {
                return;
            }
            sleep(200 * MS).await;
        }
    };
    soon(&format!("a gauge of {expected}"), measured).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attempt_is_made_after_the_deadline_and_each_has_less_time_than_the_one_before() {
    let mirror = Mirror::start(flap);
    let proxy =
        retrying(&mirror, "retries = 10\nbackoff = \"10ms\"", "[retry_budget]\nratio = 1.0\nmin_per_second = 1000\n")
            .await;
    let deadline = |number| Chance::of(12, number).millis(30..250);
    let told =
        crowd(&proxy, CONNECTIONS, 1_500, move |number| Asked::get(format!("/{number}"), deadline(number))).await;
    let sent: HashMap<_, _> = told.iter().map(|told| (told.asked.start.clone(), told)).collect();
    let mut before = HashMap::new();
    let (mut late, mut again) = (Duration::ZERO, 0);
    for visit in mirror.visits() {
        let told = sent[&format!("GET {}", visit.head.path())];
        late = late.max((visit.at - told.sent).saturating_sub(told.asked.timeout));
        let left = visit.head.timeout();
        assert!(left <= told.asked.timeout, "{visit:?}");
        if let Some(before) = before.insert(visit.head.path().to_owned(), left) {
            again += 1;
            assert!(left <= before, "{visit:?} after {before:?}");
        }
    }
    // On a machine that is busy fewer find the time.
    assert!(again > 200, "{again}");
    assert!(late < SLACK, "{late:?}");
    told.iter().for_each(Told::assert_in_time);
}

#[tokio::test]
async fn a_back_off_that_does_not_fit_is_not_waited_for() {
    // From 400 ms to 800 ms, and from 100 ms to 200 ms.
    for (backoff, visits, status) in [("800ms", 1, 503), ("200ms", 2, 200)] {
        let mirror = Mirror::start(once(503, ""));
        let proxy = retrying(&mirror, &format!("retries = 1\nbackoff = \"{backoff}\""), "").await;
        let told = ask(&proxy, Asked::get("/", 390 * MS)).await;
        assert_eq!((told.status(), mirror.visits().len()), (status, visits), "{backoff}: {told:?}");
        assert!(told.took < 390 * MS, "what it had was the answer, at once: {:?}", told.took);
    }
}

#[tokio::test]
async fn who_says_when_to_come_back_is_left_alone_until_then() {
    for status in [503, 429] {
        let mirror = Mirror::start(once(status, "retry-after: 1\r\n"));
        let proxy = retrying(&mirror, "retries = 1\nbackoff = \"1ms\"", "").await;
        let told = ask(&proxy, Asked::get("/", WHOLE)).await;
        assert_eq!((told.status(), told.text.as_str()), (200, "ok\n"));
        let visits = mirror.visits();
        let apart = visits[1].at - visits[0].at;
        assert!((1_000 * MS..1_000 * MS + SLACK).contains(&apart), "{apart:?}");
    }
    // No time for it: the answer is what there is.
    let mirror = Mirror::start(once(503, "retry-after: 1\r\n"));
    let proxy = retrying(&mirror, "retries = 1\nbackoff = \"1ms\"", "").await;
    let told = ask(&proxy, Asked::get("/", 900 * MS)).await;
    assert_eq!((told.status(), told.field("retry-after"), mirror.visits().len()), (503, Some("1"), 1));
    assert!(told.took < 900 * MS, "{:?}", told.took);
}

#[tokio::test]
async fn nobody_is_asked_again_for_a_client_that_has_left() {
    let mirror = Mirror::start(once(503, ""));
    // From 300 ms to 600 ms.
    let proxy = retrying(&mirror, "retries = 1\nbackoff = \"600ms\"", "").await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/", "x-request-timeout: 5s\r\n").await;
    eventually("the first attempt", || mirror.visits().iter().any(|visit| visit.ended.is_some())).await;
    drop(client);
    sleep(800 * MS).await;
    assert_eq!(mirror.visits().len(), 1);
}
