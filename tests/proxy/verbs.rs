//! The verbs that serve nothing: what each says, and the code that it ends with.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Finished, Folder, Http1Client, Program, Upstream, binary};

const GOOD: &str = r#"
[upstream.orders]
targets = ["http://127.0.0.1:1"]
[policy.payment]
timeout = "3s"
[[route]]
prefix = "/orders"
upstream = "orders"
policy = "payment"
[[route]]
upstream = "orders"
"#;

async fn run(arguments: &[&str]) -> Finished {
    Program::run("deadline-proxy", arguments).await
}

/// The code, and what went to standard output and to standard error.
fn told(finished: &Finished) -> (Option<i32>, &str, &str) {
    (finished.code, &finished.stdout, &finished.stderr)
}

#[tokio::test]
async fn check_counts_what_is_well_and_tells_all_that_is_not() {
    let folder = Folder::new();
    let good = folder.write("good.toml", GOOD);
    let counted = format!("{good}: ok: 1 listener, 2 routes, 1 upstream, 2 policies\n");
    assert_eq!(told(&run(&["check", "--config", &good]).await), (Some(0), counted.as_str(), ""));

    let bad = folder.write("bad.toml", &GOOD.replace("\"3s\"", "\"soon\"\nmaximum = \"5s\""));
    let finished = run(&["check", "--config", &bad]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    let lines: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{bad}:5:11: policy.payment.timeout: ")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{bad}:6:1: policy.payment.maximum: unknown key")), "{lines:?}");

    let listener =
        "[[listener]]\naddress = \"127.0.0.1:8443\"\ntls = { cert = \"/nowhere.pem\", key = \"/nowhere.key\" }\n";
    let unreadable = folder.write("unreadable.toml", &format!("{listener}{GOOD}"));
    let finished = run(&["check", "--config", &unreadable]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(finished.stderr.starts_with(&format!("{unreadable}: ")), "{}", finished.stderr);
    assert!(finished.stderr.contains("/nowhere.pem"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_file_that_is_not_there_ends_each_verb_with_2() {
    for arguments in [&["run"][..], &["check"], &["explain", "GET", "/"]] {
        let finished = run(&[arguments, &["--config", "/nowhere.toml"]].concat()).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(finished.stderr.starts_with("/nowhere.toml: cannot be read: "), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn explain_needs_no_file_and_tells_what_it_cannot() {
    let finished = run(&["explain", "--upstream", "http://127.0.0.1:1", "--timeout", "3s", "GET", "/a"]).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    for line in ["deadline: no field asks for one; policy default gives its default: 3s", "send: GET /a", "answer: 200"]
    {
        assert!(finished.stdout.lines().any(|told| told == line), "{line}: {}", finished.stdout);
    }
    let elsewhere = ["explain", "--upstream", "http://127.0.0.1:1", "GET", "/", "--listener", "127.0.0.1:1"];
    let wanted =
        "deadline-proxy: --listener: nothing listens on 127.0.0.1:1; one of these is expected: 127.0.0.1:8080\n";
    assert_eq!(told(&run(&elsewhere).await), (Some(2), "", wanted));
}

#[tokio::test]
async fn a_file_is_served_and_each_decision_is_told_where_that_is_wanted() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let listens = "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let served = GOOD.replace("127.0.0.1:1", &upstream.address.to_string());
    let file = folder.write("proxy.toml", &format!("{listens}{served}"));
    for (variable, value, is_told) in [
        ("DEADLINE_EXPLAIN", "1", true),
        ("RUST_LOG", "explain=debug", true),
        ("DEADLINE_EXPLAIN", "0", false),
        ("RUST_LOG", "info", false),
    ] {
        let mut command = Command::new(binary("deadline-proxy"));
        command.args(["run", "--config", &file]).env(variable, value);
        let mut program = Program::launch("deadline-proxy", command);
        let mut client = Http1Client::connect(program.address().await).await;
        client.get("/orders/7", "").await;
        let id = client.answer().await.0.headers["x-request-id"].to_str().unwrap().to_owned();
        program.terminate().await;
        let stderr = program.finish().await.stderr;
        let line = format!("explain {id} policy: payment: default 3s, at most 3s");
        assert_eq!(stderr.lines().any(|told| told == line), is_told, "{variable}={value}: {stderr}");
        assert_eq!(stderr.is_empty(), !is_told, "{variable}={value}: {stderr}");
    }
}

#[tokio::test]
async fn the_schema_the_completions_and_the_manual_are_written() {
    let schema: Value = serde_json::from_str(&run(&["schema"]).await.stdout).unwrap();
    assert!(schema["properties"]["route"].is_object(), "{schema}");
    let bash = run(&["completions", "bash"]).await;
    assert!(bash.code == Some(0) && bash.stdout.contains("-o default deadline-proxy"), "{}", bash.stdout);
    let folder = Folder::new();
    let pages = folder.of("man1");
    assert_eq!(told(&run(&["man", "--out", &pages]).await), (Some(0), "", ""));
    let page = std::fs::read_to_string(format!("{pages}/deadline-proxy-explain.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("\\-\\-body\\-bytes"), "{page}");
    let taken = folder.write("taken", "");
    let finished = run(&["man", "--out", &taken]).await;
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.starts_with(&format!("deadline-proxy: {taken}: ")), "{}", finished.stderr);
}

#[tokio::test]
async fn the_version_tells_the_revision() {
    let version = run(&["--version"]).await.stdout;
    let revision = version.trim_end().strip_prefix("deadline-proxy ").and_then(|rest| rest.split_once(" ("));
    assert!(revision.is_some_and(|(number, rest)| number.contains('.') && rest.ends_with(')')), "{version}");
}

/// As `| head` does.
#[tokio::test]
async fn who_has_read_enough_is_no_failure() {
    for arguments in
        [&["man"][..], &["schema"], &["completions", "zsh"], &["explain", "--upstream", "http://a", "GET", "/"]]
    {
        let mut command = Command::new(binary("deadline-proxy"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let finished = child.wait_with_output().await.unwrap();
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert_eq!((finished.status.code(), stderr.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}
