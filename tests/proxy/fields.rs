//! Which fields reach the upstream and the client (R6, R9, R30, R31, R35).

use http::Request;
use serde_json::json;
use tower_deadline::Dialect;

use crate::support::{H2Client, Http1Client, MS, Proxy, Upstream, curl};

/// Every field that concerns one connection only, the way an attacker or an old client sends them.
const HOP_BY_HOP: [&str; 9] = [
    "Connection: keep-alive, x-private",
    "Connection: X-Second",
    "X-Private: 1",
    "X-Second: 2",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eA==",
    "TE: gzip",
    "Proxy-Authenticate: Basic",
];

fn with<'a>(fields: &[&'a str], url: &'a str) -> Vec<&'a str> {
    fields.iter().flat_map(|field| ["-H", field]).chain([url]).collect()
}

// R6, R9
#[tokio::test]
async fn one_field_reaches_the_upstream_whichever_dialects_came_in_and_whatever_is_nominated() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let url = proxy.url("/");
    let nominate_all = format!("Connection: {}", Dialect::ALL.map(Dialect::as_str).join(", "));
    for fields in [
        &["X-Request-Timeout: 2s"][..],
        &["X-Request-Timeout: 5s", "X-Request-Timeout: 2s"],
        &["X-Request-Timeout: 2s, 9s"],
        &["grpc-timeout: 2S"],
        &["Connect-Timeout-Ms: 2000"],
        &["x-envoy-expected-rq-timeout-ms: 2000"],
        &["x-envoy-upstream-rq-timeout-ms: 2000"],
        &["X-Request-Timeout: 2s", "X-Request-Deadline: 99999999999999"],
        &["X-Request-Timeout: 9s", "grpc-timeout: 2S", "Connect-Timeout-Ms: 9000", "X-Request-Timeout: 8s"],
        &["x-envoy-expected-rq-timeout-ms: 9000", "x-envoy-upstream-rq-timeout-ms: 2000", "grpc-timeout: 9S"],
    ] {
        for nomination in ["Connection: x-request-timeout", "Connection: close", &nominate_all] {
            let answer = curl(&with(&[fields, &[nomination]].concat(), &url)).await;
            assert_eq!((answer.exit, answer.status), (Some(0), 200), "{fields:?} {nomination}");
            let head = upstream.request().await;
            let left = head.timeout();
            assert!((MS..2_000 * MS).contains(&left), "{fields:?} {nomination}: {left:?}");
            let others = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::XRequestTimeout);
            for dialect in others {
                assert!(!head.headers.contains_key(dialect.as_str()), "{fields:?} {nomination}: {dialect}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_without_a_deadline_leaves_without_a_field() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let answer = curl(&[&proxy.url("/")]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    let head = upstream.request().await;
    assert!(Dialect::ALL.iter().all(|dialect| !head.headers.contains_key(dialect.as_str())), "{head:?}");
}

// R30
#[tokio::test]
async fn no_field_of_one_connection_reaches_the_upstream() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let (url, kept) = (proxy.url("/a%2Fb?c=d&e"), ["X-Kept: a", "X-Kept: b", "Host: shop.example"]);
    let answer = curl(&with(&[&HOP_BY_HOP[..], &kept].concat(), &url)).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 200));
    let head = upstream.request().await;
    assert_eq!(head.start, "GET /a%2Fb?c=d&e HTTP/1.1");
    for field in HOP_BY_HOP {
        let name = field.split(':').next().unwrap();
        assert!(!head.headers.contains_key(name), "{field}: {head:?}");
    }
    assert_eq!(head.headers.get_all("x-kept").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(head.headers["host"], "shop.example");
}

#[tokio::test]
async fn only_trailers_is_left_of_te_also_when_it_is_nominated() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let url = proxy.url("/");
    curl(&with(&["Connection: TE", "TE: gzip, trailers"], &url)).await;
    let head = upstream.request().await;
    assert_eq!(head.headers.get_all("te").iter().collect::<Vec<_>>(), ["trailers"]);
    assert!(!head.headers.contains_key("connection"));
}

#[tokio::test]
async fn a_request_goes_by_no_more_hops_than_it_may() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let url = proxy.url("/");
    for (method, status) in [("OPTIONS", 204), ("TRACE", 501)] {
        let answer = curl(&["-X", method, "-H", "Max-Forwards: 0", &url]).await;
        assert_eq!((answer.exit, answer.status), (Some(0), status), "{method}");
        let answer = curl(&["-X", method, "-H", "Max-Forwards: 3", &url]).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 200), "{method}");
        // The first that came: the one before went no further.
        assert_eq!(upstream.request().await.headers["max-forwards"], "2", "{method}");
    }
}

#[tokio::test]
async fn no_field_of_the_upstreams_connection_reaches_the_client() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nconnection: x-private, close\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\nx-request-timeout: 5s\r\ngrpc-timeout: 5S\r\nupgrade: h2c\r\n\
         x-kept: a\r\nx-kept: b\r\ncontent-length: 3\r\n\r\nok\n",
    )
    .await;
    let proxy = Proxy::to(upstream.address).await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let answer = curl(&[version, "-H", "X-Request-Timeout: 5s", &proxy.url("/")]).await;
        assert_eq!((answer.exit, answer.status, answer.text().as_str()), (Some(0), 200, "ok\n"));
        for name in ["connection", "x-private", "keep-alive", "proxy-authenticate", "upgrade"] {
            assert!(!answer.headers.contains_key(name), "{version} {name}");
        }
        for dialect in Dialect::ALL {
            assert!(!answer.headers.contains_key(dialect.as_str()), "{version} {dialect}");
        }
        assert_eq!(answer.headers.get_all("x-kept").iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}

// R31
#[tokio::test]
async fn what_a_message_depends_on_cannot_be_nominated() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let url = proxy.url("/");
    let names = |count: usize| format!("Connection: {}", vec!["x-a"; count].join(", "));
    let (enough, too_many) = (names(32), names(33));
    for (nomination, detail) in [
        ("Connection: host", "connection: names host, which is not for one connection only"),
        (
            "Connection: close, X-Forwarded-For",
            "connection: names x-forwarded-for, which is not for one connection only",
        ),
        (&too_many, "connection: names more than 32 fields"),
    ] {
        let answer = curl(&with(&[nomination, "X-Request-Timeout: 2s"], &url)).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 400), "{nomination}");
        let expected =
            json!({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": detail, "hop": "proxy"});
        assert_eq!(answer.json(), expected);
    }
    upstream.assert_untouched();
    assert_eq!(curl(&with(&[&enough], &url)).await.status, 200);
}

// R35
#[tokio::test]
async fn a_response_that_nominates_what_it_depends_on_is_broken() {
    for name in ["content-length", "Authorization"] {
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: {name}\r\ncontent-length: 3\r\n\r\nok\n");
        let upstream = Upstream::answering(answer).await;
        let proxy = Proxy::to(upstream.address).await;
        let answer = curl(&[&proxy.url("/")]).await;
        assert_eq!((answer.exit, answer.status), (Some(0), 502));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("upstream") && detail.contains(&name.to_lowercase()), "{detail}");
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let mut client = Http1Client::connect(proxy.address).await;
        client.send(&format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(client.answer().await.0.status(), 400, "{hosts}");
    }
    upstream.assert_untouched();
}

/// RFC 9113 §8.2.3.
#[tokio::test]
async fn the_crumbs_of_a_cookie_reach_the_upstream_as_one() {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let request = Request::get(proxy.url("/")).header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
    assert_eq!(H2Client::connect(proxy.address).await.get(request).await.status, 200);
    let head = upstream.request().await;
    assert_eq!(head.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}
