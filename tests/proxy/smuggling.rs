//! Shapes by which two parties read different requests out of the same bytes: what hyper refuses, what the proxy
//! refuses, and what the upstream sees of the rest (R35; RFC 9112 §2.2, §3.2, §5, §6, §7, §11).

use crate::support::{Http1Client, Proxy};

use self::witness::Witness;

mod http2;
mod witness;

/// A POST to the host `a`.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}")
}

/// A POST in these chunks.
fn chunks(body: &str) -> String {
    post("transfer-encoding: chunked\r\n", body)
}

/// A GET of this target, with these fields.
fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{fields}\r\n")
}

fn coded(coding: &str) -> String {
    post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n")
}

/// What comes back for these bytes, to the end of the connection.
async fn all(proxy: &Proxy, bytes: &str) -> String {
    let mut client = Http1Client::connect(proxy.address).await;
    client.send(bytes).await;
    client.rest().await
}

#[tokio::test]
async fn what_hyper_refuses_is_answered_bare_and_closed() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let lengths = ["+5", "-5", "0x5", "5, 5", "5 5", "", "\u{b}5", "18446744073709551616"];
    let lengths = lengths.map(|length| post(&format!("content-length: {length}\r\n"), "hello"));
    let codings =
        ["identity", "xchunked", "chunked,", "chunked;a=b", "\"chunked\"", "\u{a0}chunked", "gzip", ""].map(coded);
    let fields = ["content-length : 5", "x-a\t: 5", "x-a: 1\r\n 2", "x-a", ": 1", "x[a]: 1", "x\0a: 1", "xé: 1"];
    let values = ["1\rx-b: 2", "1\0a", "1\u{1}2", "1\u{7f}2"].map(|value| format!("x-a: {value}"));
    let fields = fields
        .map(str::to_owned)
        .into_iter()
        .chain(values)
        .map(|field| post(&format!("{field}\r\n"), "hello"));
    let lines = [
        "GET / HTTP/1.1\r\n host: a\r\nhost: b\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nhost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nhost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
        "GET / http/1.1\r\nhost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "G@T / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let targets = ["/a b", "/a\tb", "/\u{1}", "/\u{7f}", "/<", "?a"].map(|target| get(target, "host: a\r\n"));
    let two = [
        post("content-length: 5\r\ncontent-length: 6\r\n", "hello!"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
        post("content-length: x\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ];
    let all_of_them = lengths.into_iter().chain(codings).chain(fields).chain(lines.map(str::to_owned));
    for request in all_of_them.chain(targets).chain(two) {
        let answer = all(&proxy, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{request:?}: {answer}");
    }
    // More than hyper takes, and no number that this machine can count to.
    let answer = all(&proxy, &post("content-length: 18446744073709551615\r\n", "hello")).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    upstream.assert_no_more();
}

// R35
#[tokio::test]
async fn what_hyper_lets_through_and_has_two_readings_is_refused_and_closed() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let codings = ["gzip, chunked", "chunked, chunked", "identity, chunked", ",chunked"].map(coded);
    let twice = |coding| post(&format!("transfer-encoding: {coding}\r\ntransfer-encoding: chunked\r\n"), "0\r\n\r\n");
    let codings = codings
        .into_iter()
        .chain(["chunked", "gzip"].map(twice))
        .map(|request| (501, "exactly `chunked`", request));
    let hosts = ["", "a,b", "u@a", "a b", "a/b", "a:65536", "aé"].map(|host| get("/", &format!("host: {host}\r\n")));
    let hosts = hosts.into_iter().chain([get("http://u:p@b/", "host: b\r\n")]);
    let hosts = hosts.map(|request| (400, "host: HOST or HOST:PORT is expected", request));
    let numbers = ["", "host: a\r\nhost: a\r\n"].map(|fields| get("/", fields)).into_iter();
    let numbers = numbers.chain([get("http://b/", "")]).map(|request| (400, "host: exactly one is expected", request));
    let targets = ["*", "a", "a:80"].map(|target| (400, "target: a path is expected", get(target, "host: a\r\n")));
    let look_alikes = ["content_length", "Transfer_Encoding"].map(|name| post(&format!("{name}: 5\r\n"), ""));
    let look_alikes = look_alikes.map(|request| (400, "`-` is expected, not `_`", request));
    let schemes = [(400, "target: http or https is expected", get("ftp://b/", "host: b\r\n"))];
    let refused = codings.chain(hosts).chain(numbers).chain(targets).chain(look_alikes).chain(schemes);
    for (status, detail, request) in refused {
        // What follows is not looked at.
        let answer = all(&proxy, &(request.clone() + &get("/smuggled", "host: a\r\n"))).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("\"hop\":\"proxy\"}"), "{answer}");
        assert!(answer.contains(detail), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    }
    upstream.assert_no_more();
}

#[tokio::test]
async fn the_rest_reaches_the_upstream_in_one_reading() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let chunked = "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | 5\r\nhello\r\n0\r\n\r\n";
    let empty = "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | 0\r\n\r\n";
    let measured = "POST / HTTP/1.1 | host: a | content-length: 5 | hello";
    for (request, seen) in [
        (post("content-length: 5\r\ncontent-length: 5\r\n", "hello"), measured),
        (post("content-length:\t5\t\r\n", "hello"), measured),
        (coded("Chunked"), empty),
        // hyper drops the length, and closes after the answer.
        (post("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"), empty),
        (post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), empty),
        (post("transfer-encoding: chunked\r\ncontent-length: x\r\n", "0\r\n\r\n"), empty),
        (chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), chunked),
        (chunks("5;a=\"b;c\"\r\nhello\r\n0;d\r\n\r\n"), chunked),
        (chunks("5 \r\nhello\r\n0\r\n\r\n"), chunked),
        (chunks("00000000000000000005\r\nhello\r\n000\r\n\r\n"), chunked),
        (chunks("5\r\nhello\r\n0\r\nx-t: 1\r\ncontent-length: 9\r\nhost: b\r\n\r\n"), chunked),
        ("GET / HTTP/1.1\nhost: a\nx-a: 1\n\n".to_owned(), "GET / HTTP/1.1 | host: a | x-a: 1 | "),
        ("\r\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "GET / HTTP/1.1 | host: a | "),
        (post("x-a: é\r\ncontent-length: 0\r\n", ""), "POST / HTTP/1.1 | host: a | content-length: 0 | x-a: é | "),
        (get("http://b/c", "host: a\r\n"), "GET /c HTTP/1.1 | host: b | "),
        (get("https://b?c", "host: a\r\n"), "GET /?c HTTP/1.1 | host: b | "),
        (get("//b/../c#d", "host: [::1]:80\r\n"), "GET //b/../c HTTP/1.1 | host: [::1]:80 | "),
        (get("/é%00%0d%0a", "host: a:\r\n"), "GET /é%00%0d%0a HTTP/1.1 | host: a: | "),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "OPTIONS * HTTP/1.1 | host: a | "),
    ] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.send(&request).await;
        assert_eq!(client.head().await.status(), 200, "{request:?}");
        assert_eq!(upstream.message().await, seen, "{request:?}");
    }
    upstream.assert_no_more();
}

#[tokio::test]
async fn nothing_follows_a_length_beside_chunks() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let both = post("content-length: 50\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n");
    let answer = all(&proxy, &(both + &get("/smuggled", "host: a\r\n"))).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    assert!(upstream.message().await.starts_with("POST / "));
    upstream.assert_no_more();
}

#[tokio::test]
async fn chunks_that_are_none_never_become_a_whole_message() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for body in [
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ] {
        let answer = all(&proxy, &(chunks(body) + &get("/smuggled", "host: a\r\n"))).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("broke off or is malformed"),
            "{body:?}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answer}");
    }
    upstream.assert_no_more();
}
