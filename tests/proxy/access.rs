//! The access log: a line for each request, whatever becomes of it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Exchange, Folder, H2Client, Http1Client, Program, Proxy, Upstream, curl, eventually};

/// The lines of a file, as JSON.
fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A proxy that writes JSON to a file, and that file.
async fn logged(upstream: &str, folder: &Folder, arguments: &[&str]) -> (Proxy, String) {
    let path = folder.of("access.log");
    let log = ["--access-log", "full", "--access-log-format", "json", "--access-log-output", &path];
    (Proxy::in_front_of(upstream, &[&log, arguments].concat()).await, path)
}

/// The next line after so many.
async fn line(path: &str, after: usize) -> Value {
    eventually("a line", || lines(path).len() > after).await;
    lines(path).remove(after)
}

#[track_caller]
fn assert_told(line: &Value, expected: &Value) {
    for (key, value) in expected.as_object().expect("keys and values are expected") {
        assert_eq!(&line[key], value, "{key}: {line}");
    }
}

#[tokio::test]
async fn each_request_has_a_line_that_tells_how_it_ended() {
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let url = format!("http://{}", upstream.address);
    let (proxy, path) = logged(&url, &folder, &["--timeout", "9s"]).await;

    let answer = curl(&["--data", "0123456789", &proxy.url("/orders?token=secret")]).await;
    let told = line(&path, 0).await;
    assert_told(
        &told,
        &json!({
            "id": answer.field("x-request-id"), "method": "POST", "host": proxy.address.to_string(), "path": "/orders",
            "version": "1.1", "route": "default", "attempts": 1, "status": 200, "ended": "complete", "cause": null,
            "budget_ms": 9000.0, "origin": "policy", "received": 10, "sent": 3,
        }),
    );
    assert!(told["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{told}");
    assert!(told["left_ms"].as_f64().is_some_and(|left| left > 0.0 && left < 9000.0), "{told}");
    assert!(told["spent"]["connect"].as_f64().is_some_and(|spent| spent > 0.0), "{told}");
    assert!(told["spent"]["upstream"].as_f64().is_some_and(|spent| spent > 0.0), "{told}");
    assert!(!fs::read_to_string(&path).unwrap().contains("secret"));

    let answer = curl(&["--header", "x-request-timeout: 300ms", &proxy.url("/never")]).await;
    assert_eq!(answer.status, 504);
    let told = line(&path, 1).await;
    let stopped =
        json!({ "status": 504, "ended": "complete", "stage": "upstream", "cause": "deadline", "left_ms": 0.0 });
    assert_told(&told, &stopped);
    assert_told(&told, &json!({ "budget_ms": 300.0, "origin": "header", "origin_detail": "x-request-timeout" }));
    assert!(told["duration_ms"].as_f64().is_some_and(|took| took >= 300.0), "{told}");

    upstream.exchange().await;
    assert_eq!(upstream.exchange().await, Exchange::Cancelled);
    let mut client = Http1Client::connect(proxy.address).await;
    client.get("/never", "").await;
    for path in ["/orders?token=secret", "/never", "/never"] {
        assert_eq!(upstream.request().await.path(), path);
    }
    drop(client);
    let told = line(&path, 2).await;
    let left = json!({ "status": 499, "ended": "unanswered", "stage": "upstream", "cause": "client_gone", "sent": 0 });
    assert_told(&told, &left);
    assert!(told["id"].as_str().is_some_and(|id| id.len() == 36), "{told}");

    let answer = curl(&["--header", "x-request-timeout: 300ms", &proxy.url("/stops")]).await;
    assert_eq!(answer.status, 200);
    let told = line(&path, 3).await;
    let stopped = json!({ "status": 200, "ended": "stopped", "cause": "deadline", "sent": 10 });
    assert_told(&told, &stopped);

    curl(&[&proxy.url("/cut")]).await;
    assert_told(&line(&path, 4).await, &json!({ "status": 200, "ended": "broken", "cause": null, "sent": 10 }));
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_told_too() {
    let folder = Folder::new();
    let (proxy, path) = logged("http://127.0.0.1:1", &folder, &[]).await;
    curl(&["--head", &proxy.url("/a\u{9b}31m\u{2028}b")]).await;
    let told = line(&path, 0).await;
    let failed = json!({ "method": "HEAD", "status": 502, "ended": "complete", "attempts": 1, "budget_ms": null });
    assert_told(&told, &failed);
    assert!(fs::read_to_string(&path).unwrap().is_ascii());

    let mut client = H2Client::connect(proxy.address).await;
    let request = http::Request::get(proxy.url("/")).body(()).unwrap();
    client.get(request).await;
    assert_told(&line(&path, 1).await, &json!({ "version": "2", "status": 502, "ended": "complete" }));
}

/// The last line is written after everything else has ended.
#[tokio::test]
async fn a_proxy_that_is_drained_loses_no_line() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, &["--access-log", "full"]).await;
    let mut client = Http1Client::connect(proxy.address).await;
    for _ in 0..200 {
        client.get("/", "").await;
        client.answer().await;
    }
    client.get("/soon", "").await;
    while upstream.request().await.path() != "/soon" {}
    proxy.program.terminate().await;
    client.answer().await;
    let finished = proxy.program.finish().await;
    let written: Vec<_> = finished.stdout.lines().filter(|line| line.starts_with("time=")).collect();
    assert_eq!((finished.code, written.len()), (Some(0), 201), "{}", finished.stderr);
    assert!(written[200].contains(" path=/soon ") && written[200].contains(" status=200 "), "{}", written[200]);
}

#[tokio::test]
async fn what_a_drain_does_not_wait_for_was_left_by_nobody() {
    let (mut upstream, folder) = (Upstream::start().await, Folder::new());
    let url = format!("http://{}", upstream.address);
    let (proxy, path) = logged(&url, &folder, &["--drain-timeout", "100ms", "--timeout", "60s"]).await;
    let mut clients = Vec::new();
    for asked in ["/never", "/stops"] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.get(asked, "").await;
        assert_eq!(upstream.request().await.path(), asked);
        clients.push(client);
    }
    assert_eq!(clients[1].head().await.status(), 200);
    proxy.program.terminate().await;
    proxy.program.finish().await;
    let mut told = lines(&path);
    told.sort_by_key(|line| line["path"].to_string());
    assert_told(&told[0], &json!({ "status": 503, "ended": "complete", "stage": "upstream", "cause": "shutdown" }));
    assert_told(&told[1], &json!({ "status": 200, "ended": "stopped", "cause": "shutdown", "sent": 10 }));
}

#[tokio::test]
async fn of_a_sample_what_failed_is_there_and_without_a_log_nothing_is() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let path = folder.of("access.log");
    let sampled = ["--access-log", "sampled", "--access-log-sample", "0.000001", "--access-log-output", &path];
    let proxy = Proxy::with(upstream.address, &sampled).await;
    let quiet = Proxy::with(upstream.address, &[]).await;
    for path in ["/", "/die", "/"] {
        curl(&[&proxy.url(path)]).await;
        curl(&[&quiet.url(path)]).await;
    }
    eventually("a line", || fs::read_to_string(&path).is_ok_and(|text| text.contains("status=502"))).await;
    proxy.program.terminate().await;
    proxy.program.finish().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() == 1 && text.contains(" path=/die "), "{text}");
    quiet.program.terminate().await;
    assert_eq!(quiet.program.finish().await.stdout, "");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_before_anything_is_served() {
    let folder = Folder::new();
    let path = folder.of("none/access.log");
    let arguments = ["run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let log = ["--access-log", "full", "--access-log-output", &path];
    let finished = Program::run("deadline-proxy", &[&arguments[..], &log].concat()).await;
    let told = format!("deadline-proxy: cannot write the access log to {path}: ");
    assert!(finished.code == Some(1) && finished.stderr.starts_with(&told), "{finished:?}");
}

#[tokio::test]
async fn a_tunnel_has_the_line_of_its_handshake_while_it_is_open() {
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (upstream, folder) = (Upstream::answering(accepted).await, Folder::new());
    let url = format!("http://{}", upstream.address);
    let (proxy, path) = logged(&url, &folder, &["--upgrade", "websocket", "--timeout", "9s"]).await;
    let mut client = Http1Client::connect(proxy.address).await;
    let asked = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.get("/chat", asked).await;
    assert_eq!(client.head().await.status(), 101);
    let switched = json!({ "status": 101, "ended": "complete", "cause": null, "path": "/chat", "sent": 0 });
    assert_told(&line(&path, 0).await, &switched);
}
