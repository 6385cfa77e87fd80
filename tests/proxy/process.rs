//! The program: what it says, how it ends, and what its admin listener tells.

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::{Exchange, Http1Client, MS, Program, Proxy, Upstream, curl, soon};

/// Waits until it takes no more connections.
async fn until_closed(proxy: &Proxy) {
    let closes = async {
        // A system that drops the attempt is asked anew.
        while !matches!(timeout(50 * MS, TcpStream::connect(proxy.address)).await, Ok(Err(_))) {
            sleep(5 * MS).await;
        }
    };
    soon("the listener to close", closes).await;
}

#[tokio::test]
async fn at_sigterm_what_is_under_way_is_finished_and_nothing_new_is_taken() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let ready = format!("http://{}/readyz", proxy.admin);
    assert_eq!(curl(&[&ready]).await.status, 200);
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/soon", "x-request-timeout: 9s\r\n").await;
    upstream.request().await;

    proxy.program.terminate().await;
    until_closed(&proxy).await;
    let draining = curl(&[&ready]).await;
    assert_eq!((draining.status, draining.text().as_str()), (503, "draining\n"));
    let (head, body) = client.answer().await;
    assert_eq!((head.status(), body.as_str()), (200, "ok\n"));
    let finished = proxy.program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn at_sigterm_an_idle_proxy_ends_at_once() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut idle = Http1Client::connect(proxy.address).await;
    idle.get("/", "").await;
    idle.answer().await;
    proxy.program.terminate().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn a_second_sigterm_ends_it_whatever_is_under_way() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/never", "").await;
    upstream.request().await;
    proxy.program.terminate().await;
    until_closed(&proxy).await;
    proxy.program.terminate().await;
    assert_eq!(proxy.program.finish().await.code, Some(0));
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
}

#[tokio::test]
async fn an_address_in_use_ends_it_with_1_and_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let arguments = ["run", "--upstream", "http://127.0.0.1:1", flag, &taken.1, other, "127.0.0.1:0"];
        let finished = Program::run("deadline-proxy", &arguments).await;
        let told = format!("deadline-proxy: address in use: {}; choose another with {flag}, or in the file\n", taken.1);
        assert_eq!((finished.code, finished.stdout, finished.stderr), (Some(1), String::new(), told));
    }
}

#[tokio::test]
async fn the_admin_listener_tells_how_it_is_and_what_it_was_told() {
    let upstream = Upstream::start().await;
    let arguments = ["--timeout", "300ms", "--max", "2s", "--hop", "edge", "--workers", "1"];
    let proxy = Proxy::with(upstream.address, &arguments).await;
    let admin = |path: &str| format!("http://{}{path}", proxy.admin);
    for (path, told) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = curl(&[&admin(path)]).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, told), "{path}");
    }
    let config = curl(&[&admin("/config")]).await;
    assert_eq!(config.field("content-type"), "application/json");
    let told = config.json();
    assert_eq!(
        (&told["hop"], &told["workers"], &told["listeners"][0]["address"]),
        (&json!("edge"), &json!(1), &json!("127.0.0.1:0"))
    );
    assert_eq!(told["upstreams"][0]["targets"], json!([format!("http://{}", upstream.address)]));
    assert_eq!(told["routes"][0]["chain"], json!([{ "upstream": "upstream", "on": [], "timeout": null }]));
    let policy = &told["routes"][0]["policy"];
    assert_eq!((&policy["timeout"], &policy["max"]), (&json!("300ms"), &json!("2s")));
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/", "host: another.example\r\n").await;
    assert_eq!(client.answer().await.0.status(), 400);
    let metrics = curl(&[&admin("/metrics")]).await;
    assert!(metrics.field("content-type").starts_with("text/plain; version=0.0.4"));
    for told in ["# HELP deadline_proxy_refusals_total ", "deadline_proxy_refusals_total{reason=\"framing\"} 1\n"] {
        assert!(metrics.text().contains(told), "{}", metrics.text());
    }
    assert_eq!(curl(&[&admin("/nothing")]).await.status, 404);
    assert_eq!(curl(&["-X", "POST", &admin("/healthz")]).await.status, 405);
    // A page from there would read the answer, once its name leads here (DNS rebinding).
    assert_eq!(curl(&["-H", "host: evil.example", &admin("/config")]).await.status, 421);
    // The traffic listener serves none of it.
    let mut upstream = upstream;
    curl(&[&proxy.url("/healthz")]).await;
    assert_eq!(upstream.request().await.path(), "/healthz");
}

#[tokio::test]
async fn help_names_every_flag_and_shows_examples() {
    let help = Program::run("deadline-proxy", &["--help"]).await;
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in ["Examples:\n", "deadline-proxy run --upstream http://", "curl -i -H 'x-request-timeout: 300ms'"] {
        assert!(help.stdout.to_lowercase().contains(&word.to_lowercase()), "{word}: {}", help.stdout);
    }
    let help = Program::run("deadline-proxy", &["run", "--help"]).await;
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in ["--upstream", "--listen", "--admin", "--timeout", "--max", "--hop", "--help", "Examples:\n", "SIGTERM"]
    {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert!(!help.stdout.contains('\u{1b}'), "not a terminal");
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_says_what_is_expected() {
    for (arguments, told) in [
        (&["run"][..], "--upstream <URL>"),
        (&["run", "--upstream", "ftp://a"], "http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH"),
        (&["run", "--upstream", "http://a", "--timeout", "5s", "--max", "3s"], "lower the one or raise the other"),
    ] {
        let finished = Program::run("deadline-proxy", arguments).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
}

/// A balancer that was set up without it has nothing but a closed connection to go by, and neither had we.
#[tokio::test]
async fn a_trusted_peer_without_a_proxy_header_is_told_in_the_log() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--proxy-protocol-from", "127.0.0.1"]).await;
    let mut balancer = Http1Client::connect(proxy.address).await;
    balancer.get("/", "").await;
    assert_eq!(balancer.rest().await, "");
    proxy.program.terminate().await;
    let finished = proxy.program.finish().await;
    assert!(finished.stderr.contains("WARN"), "{}", finished.stderr);
    assert!(finished.stderr.contains("a PROXY header is expected, found \"GET / HTTP/1.1"), "{}", finished.stderr);
}
