//! `deadline-proxy demo`, as a program.

use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::process::Command;
use tower_deadline::Dialect;

use crate::support::{Finished, MS, Program, SLACK, binary};

/// Long enough that a machine that is busy with other tests does not change how a request ends: an answer has
/// 150 ms to come back.
const TIMEOUT: [&str; 2] = ["--timeout", "3s"];

async fn demo(arguments: &[&str]) -> Finished {
    demo_on(None, arguments).await
}

/// With the database of this URL; without one, with one of its own.
async fn demo_on(url: Option<&str>, arguments: &[&str]) -> Finished {
    let mut command = Command::new(binary("deadline-proxy"));
    command.arg("demo").args(TIMEOUT).args(arguments).stdin(Stdio::null()).env_remove("DATABASE_URL");
    url.map(|url| command.env("DATABASE_URL", url));
    let finished = Program::launch("deadline-proxy", command).finish().await;
    assert_eq!(finished.stderr, "");
    assert!(!finished.stdout.contains('\u{1b}'), "escape codes, and no terminal");
    finished
}

/// One object per request, in the order of the requests.
fn objects(finished: &Finished) -> Vec<Value> {
    let lines: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<&str> = lines.iter().map(|line| line["request"].as_str().unwrap()).collect();
    assert_eq!(requests, ["fits", "too_slow", "malformed", "expired", "client_leaves"]);
    lines
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn names(request: &Value) -> Vec<&str> {
    request["hops"].as_array().unwrap().iter().map(|hop| hop["name"].as_str().unwrap()).collect()
}

/// How the requests ended: status, stage, cause.
fn endings(requests: &[Value]) -> Vec<[Value; 3]> {
    requests
        .iter()
        .map(|request| ["status", "stage", "cause"].map(|key| request[key].clone()))
        .collect()
}

/// No hop has more than the one before it sent, and none sends more than it has.
fn assert_shrinks(request: &Value) {
    let mut left = Duration::MAX;
    for hop in request["hops"].as_array().unwrap() {
        let Some(budget) = hop["budget_ms"].as_u64().map(Duration::from_millis) else { return };
        assert!(budget <= left && hop["remaining_ms"].as_u64() <= hop["budget_ms"].as_u64(), "{request:#}");
        let Some(sent) = hop["sent_header"].as_str() else { return };
        left = Dialect::XRequestTimeout.decode(sent.as_bytes(), UNIX_EPOCH).unwrap().unwrap();
        assert!(left > Duration::ZERO && left < budget, "{request:#}");
    }
}

#[tokio::test]
async fn every_request_ends_as_foretold_and_is_shown_within_80_columns() {
    let finished = demo(&[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    for line in finished.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for word in ["four hops", "payments", "database", "x-request-timeout: 3000ms", "200", "504", "400", "client_gone"] {
        assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
    }
}

#[tokio::test]
async fn there_is_an_object_for_each_request_and_budgets_fall_from_hop_to_hop() {
    let finished = demo(&["--json"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let requests = objects(&finished);
    for request in &requests {
        assert_eq!(
            keys(request),
            ["cause", "elapsed_ms", "foretold", "hop", "hops", "request", "stage", "status"],
            "{request:#}"
        );
        for hop in request["hops"].as_array().unwrap() {
            assert_eq!(keys(hop), ["budget_ms", "name", "remaining_ms", "sent_header"]);
        }
        assert_eq!(request["foretold"], json!(true));
        assert_shrinks(request);
    }
    let all = ["proxy", "orders", "payments", "database"];
    let hops: Vec<Vec<&str>> = requests.iter().map(names).collect();
    assert_eq!(hops, [&all[..], &all, &["proxy"], &["proxy"], &all]);
    let none = Value::Null;
    let expected = [
        [json!(200), none.clone(), none.clone()],
        [json!(504), json!("database"), json!("deadline")],
        [json!(400), none.clone(), none.clone()],
        [json!(504), json!("arrival"), json!("deadline")],
        [none.clone(), none, json!("client_gone")],
    ];
    assert_eq!(endings(&requests), expected);
}

#[tokio::test]
async fn a_hop_that_is_stopped_changes_what_comes_and_ends_with_1_and_the_difference() {
    let finished = demo(&["--stop", "payments"]).await;
    assert_eq!(finished.code, Some(1));
    for line in ["- foretold: 200", "+ got:      502"] {
        assert!(finished.stdout.lines().any(|shown| shown.trim_start().starts_with(line)), "{}", finished.stdout);
    }
    assert!(finished.stdout.lines().all(|line| line.chars().count() <= 80), "{}", finished.stdout);

    let finished = demo(&["--stop", "payments", "--json"]).await;
    assert_eq!(finished.code, Some(1));
    let requests = objects(&finished);
    for at in [0, 1, 4] {
        let request = &requests[at];
        assert_eq!((&request["status"], &request["foretold"]), (&json!(502), &json!(false)), "{request:#}");
        assert_eq!(names(request), ["proxy", "orders"]);
        assert_eq!(request["expected"].as_array().map(Vec::len), Some(1));
    }
    for at in [2, 3] {
        assert_eq!(requests[at]["foretold"], json!(true), "{:#}", requests[at]);
    }
}

#[tokio::test]
async fn a_statement_has_what_is_left_and_its_backend_is_idle_right_after_the_answer() {
    let finished = demo(&[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let millis = |line: &str, before: &str| -> Option<Duration> {
        let number = line.split(before).nth(1)?.split("ms").next()?;
        number.parse().ok().map(Duration::from_millis)
    };
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let stopped = |mark: &str| {
        let at = lines.iter().position(|line| line.contains(mark)).expect("it is shown");
        let [answer, idle] = lines[at..=at + 1] else { panic!("{lines:?}") };
        let told = millis(idle, "statement_timeout ").expect("it was told");
        (told, millis(answer, " after ").expect("it ended"), millis(idle, "was idle after ").expect("it is idle"))
    };
    for (mark, due) in [("stage database", 2_100 * MS), ("left after", 900 * MS)] {
        let (told, answered, idle) = stopped(mark);
        assert!((1_000 * MS..=2_100 * MS).contains(&told), "{told:?}");
        // It has 300 ms less at each hop: so long before the client's own time is up, if the machine is not busy.
        assert!(idle < due + SLACK && idle < answered + SLACK, "{mark}: {idle:?}, {answered:?}");
    }
}

#[tokio::test]
async fn without_a_database_the_demo_ends_at_payments_and_says_why() {
    let nobody = Some("postgres://a:secret@127.0.0.1:1/b");
    let finished = demo_on(nobody, &[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    for words in ["three hops", "There is no database hop: DATABASE_URL: no connection", "stage handler"] {
        assert!(finished.stdout.contains(words), "{words}: {}", finished.stdout);
    }
    assert!(!finished.stdout.contains("secret"), "{}", finished.stdout);
    assert!(finished.stdout.lines().all(|line| line.chars().count() <= 80), "{}", finished.stdout);

    let finished = demo_on(nobody, &["--json"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    for request in objects(&finished) {
        assert!(request["database_skipped"].as_str().unwrap().starts_with("DATABASE_URL: "), "{request:#}");
        assert!(!names(&request).contains(&"database"), "{request:#}");
    }
}

#[tokio::test]
async fn a_database_that_is_stopped_is_answered_for_by_payments() {
    let finished = demo(&["--stop", "database", "--json"]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    let requests = objects(&finished);
    for at in [0, 1, 4] {
        let request = &requests[at];
        assert_eq!((&request["status"], &request["hop"]), (&json!(502), &json!("payments")), "{request:#}");
        assert_eq!(names(request), ["proxy", "orders", "payments"]);
    }
}

#[tokio::test]
async fn a_hop_that_is_slow_is_answered_for_at_the_deadline_and_that_is_foretold() {
    let finished = demo(&["--slow", "payments=6s", "--json"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let requests = objects(&finished);
    for request in &requests[..2] {
        assert_eq!((&request["status"], &request["cause"]), (&json!(504), &json!("deadline")), "{request:#}");
        assert_eq!((&request["hop"], names(request).len()), (&json!("payments"), 3));
        let elapsed = Duration::from_millis(request["elapsed_ms"].as_u64().unwrap());
        assert!((2_000 * MS..5_000 * MS).contains(&elapsed), "{elapsed:?}");
        assert_shrinks(request);
    }
}

#[tokio::test]
async fn help_names_every_flag_and_shows_examples() {
    let help = demo(&["--help"]).await;
    assert_eq!(help.code, Some(0));
    for word in ["--timeout", "--slow", "--stop", "--json", "Examples:\n"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    let wrong = Program::run("deadline-proxy", &["demo", "--stop", "basket"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("stop proxy, orders, payments or database"), "{}", wrong.stderr);
}
