//! Who is told: entries of hops, and forged ones, inside and at the edge.

use crate::support::{Answer, Proxy, Upstream, curl};

/// A backend's own metric, and what it says that hops have told.
const TOLD: &str = "server-timing: db;dur=5;desc=\"a, b\" , hop.forged;dur=1;desc=\"own=1\"\r\n\
                    server-timing: hop.late;dur=2;desc=\"own=2\"\r\n";

/// A string that is not closed: joined with the next line, what stands in that would be an entry.
const SMUGGLED: &str = "server-timing: a;desc=\"\r\nserver-timing: \", hop.forged;dur=1;desc=\"own=1\"\r\n";

async fn backend(fields: &str) -> Upstream {
    Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n{fields}\r\nok\n")).await
}

/// The metrics that a client gets, of a proxy whose listener and policy say this.
async fn told(upstream: &Upstream, listener: &str, rest: &str) -> Vec<String> {
    let text = format!(
        "admin = \"127.0.0.1:0\"\n{rest}\n[[listener]]\naddress = \"127.0.0.1:0\"\n{listener}\n\
         [upstream.app]\ntargets = [\"http://{}\"]\n[[route]]\nupstream = \"app\"\n",
        upstream.address
    );
    let proxy = Proxy::configured(&text).await;
    let answer = curl(&["-H", "X-Request-Timeout: 9s", &proxy.url("/")]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{listener} {rest}");
    metrics(&answer)
}

fn metrics(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.get_all("server-timing").iter();
    lines.map(|line| line.to_str().expect("it is text").to_owned()).collect()
}

fn policy(ledger: &str) -> String {
    format!("[policy.default]\ntimeout = \"30s\"\nledger = \"{ledger}\"")
}

#[tokio::test]
async fn those_inside_are_told_by_every_hop_and_strangers_at_the_edge_by_none() {
    let upstream = backend(TOLD).await;
    let passed = ["db;dur=5;desc=\"a, b\" , hop.forged;dur=1;desc=\"own=1\"", "hop.late;dur=2;desc=\"own=2\""];
    let edge = "side = \"edge\"";
    let trusted = "[forwarding]\ntrust = \"127.0.0.1\"\n";
    for (listener, rest, inside, ours) in [
        ("", policy("inside"), true, true),
        ("", policy("public"), true, true),
        ("", policy("off"), true, false),
        (edge, policy("inside"), false, false),
        (edge, policy("off"), false, false),
        (edge, policy("public"), true, true),
        (edge, trusted.to_owned() + &policy("inside"), true, true),
        (edge, trusted.to_owned() + &policy("off"), true, false),
    ] {
        let told = told(&upstream, listener, &rest).await;
        let case = format!("{listener} {rest}: {told:?}");
        if inside {
            assert_eq!(told[..2], passed, "{case}");
        } else {
            assert_eq!(told, ["db;dur=5;desc=\"a, b\""], "{case}");
        }
        let is_own = |line: &&String| line.starts_with("hop.proxy;dur=") && line.contains("desc=\"budget=9000 ");
        assert_eq!(told.iter().filter(is_own).count(), usize::from(ours), "{case}");
        assert_eq!(told.len(), if inside { 2 + usize::from(ours) } else { 1 }, "{case}");
    }
}

#[tokio::test]
async fn what_is_smuggled_past_a_line_is_not_told_at_the_edge() {
    let upstream = backend(SMUGGLED).await;
    assert_eq!(told(&upstream, "side = \"edge\"", &policy("inside")).await, [""; 0]);
}

/// Nobody is asked to carry more than that.
#[tokio::test]
async fn what_a_backend_makes_up_is_bounded() {
    let entry = |number: usize| format!("server-timing: hop.h{number};dur=1;desc=\"own=1\"\r\n");
    let upstream = backend(&(0..60).map(entry).collect::<String>()).await;
    let told = told(&upstream, "", &policy("inside")).await;
    assert_eq!((told.len(), told[0].as_str()), (17, "hop._;desc=\"more=45\""));
    assert!(told[1].starts_with("hop.h45;") && told[16].starts_with("hop.proxy;"), "{told:?}");
}

/// The field is there too where the answer is the proxy's own, and where there is no body.
#[tokio::test]
async fn an_answer_that_is_made_here_has_an_entry_too() {
    let upstream = Upstream::start().await;
    let proxy =
        Proxy::of(&[("app", upstream.address)], &(policy("inside") + "\n[[route]]\nupstream = \"app\"\n")).await;
    let url = proxy.url("/never");
    let never = ["-H", "X-Request-Timeout: 300ms", &url];
    let stopped =
        |answer: &Answer| metrics(answer).pop().filter(|told| told.ends_with("stage=upstream cause=deadline\""));
    let answer = curl(&never).await;
    assert_eq!((answer.status, stopped(&answer).is_some()), (504, true), "{answer:?}");
    let answer = curl(&["--head", &proxy.url("/")]).await;
    assert!(metrics(&answer)[0].starts_with("hop.proxy;dur="), "{answer:?}");
    let answer = curl(&["-H", "X-Request-Timeout: soon", &proxy.url("/")]).await;
    assert_eq!((answer.status, metrics(&answer).len()), (400, 1), "{answer:?}");
}

/// A call of gRPC that is stopped has nothing but a head.
#[tokio::test]
async fn a_call_of_grpc_that_is_stopped_has_an_entry_in_its_head() {
    // Connections wait there for somebody who takes them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = silent.local_addr().expect("a listener has an address");
    let proxy = Proxy::of(&[("app", address)], &(policy("inside") + "\n[[route]]\nupstream = \"app\"\n")).await;
    let grpc = ["--http2-prior-knowledge", "-H", "content-type: application/grpc", "-H", "grpc-timeout: 300m"];
    let answer = curl(&[&grpc[..], &[&proxy.url("/a.B/C")]].concat()).await;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, "4"), "{answer:?}");
    let told = metrics(&answer);
    assert!(told.len() == 1 && told[0].starts_with("hop.proxy;") && told[0].ends_with(" cause=deadline\""), "{told:?}");
}
