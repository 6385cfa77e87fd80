//! The worked example of a chain, `examples/config/goproxy.toml`, with mirrors of ours in it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Act, Asked, Chance, Http1Client, Manner, Mirror, Proxy, Then, Told, Visit, crowd};

const TOKEN: &str = "s3cret";
const REQUESTS: usize = 1_200;
const CONNECTIONS: usize = 30;
const WHOLE: Duration = Duration::from_secs(30);

/// Answers as the company's mirror: it has its own modules only. It breaks off now and then, and is stuck for one.
fn corp(visit: &Visit, number: usize) -> Act {
    let after = Chance::of(31, number).latency();
    let act = match Chance::of(32, number).share() {
        _ if visit.head.path().contains("/module41/") => Act::now(Then::Stall),
        ..0.017 => Act::now(Then::Close),
        _ if visit.head.path().starts_with("/corp.example/") => Act::answer(200, "", "corp"),
        ..0.8 => Act::answer(404, "", "not found: module\n"),
        _ => Act::answer(410, "", "not found: module\n"),
    };
    Act { after, ..act }
}

/// Answers as a mirror that is open to everybody. A try of it may take 20 s, so that it is never stuck here.
fn open(name: &'static str, failures: f64) -> impl Fn(&Visit, usize) -> Act + Send + Sync {
    let manner = Manner { name, seed: 33, failures };
    move |visit, number| match manner.act(number) {
        _ if visit.head.path().ends_with("/none") => Act::answer(404, "", "not found\n"),
        Act { then: Then::Stall, after } => Act { then: Then::Reset, after },
        act => act,
    }
}

/// The file as it is shipped, but for where its mirrors and it are.
fn file([corp, mirror, backup]: [&Mirror; 3]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/config/goproxy.toml");
    let mut text = fs::read_to_string(path).unwrap();
    let targets = [("https://modules.corp.example", corp), ("https://mirror.example", mirror)];
    for (target, mirror) in targets.into_iter().chain([("https://backup.example", backup)]) {
        text = replaced(&text, &format!("\"{target}\""), &format!("\"http://{}\"", mirror.address));
    }
    text = replaced(&text, "\"127.0.0.1:8080\"", "\"127.0.0.1:0\"");
    text = replaced(&text, "requests = \"full\"", "requests = \"full\"\noutput = \"stderr\"");
    format!("admin = \"127.0.0.1:0\"\n{text}")
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} stands there once");
    text.replacen(from, to, 1)
}

fn authorized(mirror: &Mirror) -> usize {
    let with = |visit: &&Visit| visit.head.headers.get("authorization").is_some_and(|value| value == "Bearer s3cret");
    let visits = mirror.visits();
    assert!(
        visits
            .iter()
            .filter(|visit| visit.head.headers.contains_key("authorization"))
            .all(|visit| with(&visit))
    );
    visits.iter().filter(with).count()
}

/// One in four is for a module of the company's own.
fn module(number: usize) -> Asked {
    let host = if number.is_multiple_of(4) { "corp.example" } else { "golang.example" };
    Asked::get(format!("/{host}/module{number}/@v/v1.0.0.zip"), WHOLE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_a_chain_finds_every_module_and_tells_nobody_of_those_that_are_not_for_him() {
    let one = Mirror::start(corp);
    let (two, three) = (Mirror::start(open("mirror", 0.124)), Mirror::start(open("backup", 0.003)));
    let proxy = Proxy::configured_with(&file([&one, &two, &three]), &[("CORP_TOKEN", TOKEN)]).await;
    let told = crowd(&proxy, CONNECTIONS, REQUESTS, module).await;

    let failed: Vec<_> = told.iter().filter(|answer| answer.status() != 200).collect();
    // 0.3 %.
    assert!(failed.len() * 1_000 <= REQUESTS * 3, "{failed:?}");
    for answer in told.iter().filter(|answer| answer.status() == 200) {
        answer.assert_in_time();
        assert_answered_by(answer);
    }
    assert!(told.iter().any(|answer| details(answer).contains("corp timeout")), "after 5 s the next one is asked");

    proxy.program.terminate().await;
    assert_logged(&proxy.program.finish().await.stderr, &told);
    assert_eq!(authorized(&one), one.visits().len());
    assert!(one.visits().len() >= REQUESTS);
    for mirror in [&two, &three] {
        assert_eq!(authorized(mirror), 0);
        let is_private = |visit: &Visit| visit.head.path().starts_with("/corp.example/");
        assert!(!mirror.visits().iter().any(is_private), "nobody else learns what is the company's own");
    }
}

fn details(answer: &Told) -> &str {
    answer.field("proxy-status").unwrap_or_default()
}

/// By whom the body is of, and the field says so where there was more than one to ask.
fn assert_answered_by(answer: &Told) {
    let is_private = answer.asked.start.contains("/corp.example/");
    assert_eq!(answer.text == "corp", is_private, "{answer:?}");
    if !is_private {
        assert_eq!(answer.upstream(), Some(answer.text.as_str()), "{answer:?}");
        let why = ["corp 404", "corp 410", "corp broken", "corp timeout"];
        let start = |why: &str| details(answer).contains(&format!("; details=\"{why}"));
        assert!(details(answer).starts_with("goproxy; ") && why.into_iter().any(start), "{answer:?}");
    }
}

/// A line for each, which says of whom it was, and none that has a secret.
fn assert_logged(log: &str, told: &[Told]) {
    assert!(!log.contains(TOKEN));
    let field = |line: &'_ str, name: &str| line.split(name).nth(1)?.split(' ').next().map(str::to_owned);
    let lines: HashMap<_, _> = log.lines().map(|line| (field(line, " path="), field(line, " upstream="))).collect();
    for answer in told.iter().filter(|answer| answer.status() == 200) {
        let path = answer.asked.start.split(' ').nth(1).map(str::to_owned);
        assert_eq!(lines.get(&path), Some(&Some(answer.text.clone())), "{path:?}");
    }
}

#[tokio::test]
async fn the_example_ends_a_chain_that_is_off_with_an_error() {
    let one = Mirror::start(corp);
    let (two, three) = (Mirror::start(open("mirror", 0.0)), Mirror::start(open("backup", 0.0)));
    let proxy = Proxy::configured_with(&file([&one, &two, &three]), &[("CORP_TOKEN", TOKEN)]).await;
    let mut client = Http1Client::connect(proxy.address).await;
    let told = Asked::get("/sumdb/none", WHOLE).put(&mut client).await;
    assert_eq!(told.status(), 502);
    assert!(told.text.contains("every upstream of the chain passed it on: mirror 404, backup 404"), "{}", told.text);
    let told = Asked::get("/sumdb/lookup", WHOLE).put(&mut client).await;
    assert_eq!((told.status(), told.text.as_str()), (200, "mirror"));
    assert!(one.visits().is_empty());
}
