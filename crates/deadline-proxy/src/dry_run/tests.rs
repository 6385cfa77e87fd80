use super::*;
use crate::client::{Side, Strangers};
use crate::proxy;
use crate::upstream;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use tower_deadline::Policy;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    let upstream = upstream::Settings::new(["http://orders.internal".parse().unwrap()]);
    let payment = Policy::new().named("payment").default_timeout(Duration::from_secs(3));
    Settings {
        listeners: vec![crate::listen::Settings::new("127.0.0.1:8080".parse().unwrap())],
        admin: ([127, 0, 0, 1], 9901).into(),
        workers: std::num::NonZeroUsize::MIN,
        limits: crate::limits::Settings::default(),
        drain_limit: Duration::from_secs(30),
        access: crate::access::Settings::default(),
        expired: 0,
        traces: None,
        proxy: proxy::Settings::new(upstream).policy(payment),
    }
}

fn ask(method: Method, path: &'static str, fields: &[(&'static str, &'static str)]) -> Ask {
    let fields = fields.iter().copied();
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Ask { fields: fields.collect(), ..Ask::new(method, PathAndQuery::from_static(path)) }
}

/// Its lines, on a clock that stands still, with ids that come again.
fn told_by(settings: &Settings, ask: &Ask) -> Result<Vec<String>, Error> {
    fastrand::seed(7);
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // As in `explain::listen`: tests beside this one must not answer for whether somebody listens.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    dry_run_on(runtime, settings, ask)
}

/// What is told by [`explain`](crate::explain) itself: who else tells has tests of its own.
const OURS: [&str; 6] = ["client: ", "policy: ", "deadline: ", "strip: ", "send: ", "answer: "];

fn told(ask: &Ask) -> Vec<String> {
    let mut lines = told_by(&settings(), ask).unwrap();
    lines.retain(|line| OURS.iter().any(|topic| line.starts_with(topic)));
    lines
}

const ID: &str = "send: x-request-id: 38f4d74b-451e-4c20-b7e1-e15867216173";
const HELD: [&str; 2] = ["client: 127.0.0.1: not trusted, inside", "policy: payment: default 3s, at most 3s"];

#[test]
fn a_request_that_says_nothing_is_told_with_what_it_is_given() {
    let expected = [
        HELD[0],
        HELD[1],
        "deadline: no field asks for one; policy payment gives its default: 3s",
        "send: GET /orders/7?***",
        "send: host: localhost",
        "send: x-forwarded-for: 127.0.0.1",
        "send: x-forwarded-host: localhost",
        "send: x-forwarded-port: 8080",
        "send: x-forwarded-proto: http",
        "send: via: 1.1 proxy",
        ID,
        "send: x-request-timeout: 3000ms",
        "answer: 200",
    ];
    assert_eq!(told(&ask(Method::GET, "/orders/7?x=1", &[])), expected);
}

// R9, R30, R31
#[test]
fn what_does_not_go_on_is_told_before_what_does() {
    let fields = [
        ("host", "shop.example"),
        ("x-request-timeout", "5s"),
        ("x-envoy-expected-rq-timeout-ms", "2000"),
        ("connection", "x-private, close"),
        ("x-private", "1"),
        ("te", "trailers, gzip"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("x-request-id", "mine"),
        ("authorization", "Bearer secret"),
        ("cookie", "secret"),
    ];
    let mut lines = told(&Ask { from: "192.0.2.1".parse().ok(), ..ask(Method::GET, "/", &fields) });
    // hyper and `http` keep fields in an order of their own.
    lines.sort();
    let expected = [
        "answer: 200",
        "client: 192.0.2.1: not trusted, inside",
        "deadline: x-request-timeout asks 5s; x-envoy-expected-rq-timeout-ms asks 2s; policy payment grants up to 3s: 2s",
        HELD[1],
        "send: GET /",
        "send: authorization: ***",
        "send: cookie: ***",
        "send: host: shop.example",
        "send: te: trailers",
        "send: via: 1.1 proxy",
        "send: x-forwarded-for: 192.0.2.1",
        "send: x-forwarded-host: shop.example",
        "send: x-forwarded-port: 8080",
        "send: x-forwarded-proto: http",
        ID,
        "send: x-request-timeout: 2000ms",
        "strip: connection: concerns one connection only",
        "strip: x-envoy-expected-rq-timeout-ms: a deadline field: what is left is written by this hop",
        "strip: x-forwarded-for: a forwarding field of a peer that is not trusted",
        "strip: x-private: named by Connection",
        "strip: x-real-ip: a forwarding field of a peer that is not trusted",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_refused_request_is_told_with_the_reason_and_nothing_is_sent() {
    let late = told(&ask(Method::GET, "/", &[("x-request-timeout", "0")]));
    let expected = [
        HELD[0],
        HELD[1],
        "deadline: x-request-timeout asks 0ns: refused, nothing is left of it",
        "answer: 504: deadline of 0 ms exceeded in stage arrival",
    ];
    assert_eq!(late, expected);
    let malformed = told(&ask(Method::GET, "/", &[("x-request-timeout", "soon")]));
    let answer = "answer: 400: x-request-timeout: \"soon\" is not a duration such as 300ms, 1.5s or 1h30m";
    assert_eq!(malformed.last().map(String::as_str), Some(answer));
    assert_eq!(malformed.len(), 4, "{malformed:?}");
    // R31
    let nominated = told(&ask(Method::GET, "/", &[("connection", "cookie")]));
    let answer = "answer: 400: connection: names cookie, which is not for one connection only";
    assert_eq!(nominated.last().map(String::as_str), Some(answer));
}

#[test]
fn a_call_of_grpc_comes_and_goes_by_http2() {
    let fields = [("content-type", "application/grpc"), ("grpc-timeout", "1S"), ("te", "trailers")];
    let lines = told(&Ask { http2: true, body: Some(70_000), ..ask(Method::POST, "/shop.Orders/Buy", &fields) });
    for line in [
        "deadline: grpc-timeout asks 1s; policy payment grants up to 3s: 1s",
        "send: POST /shop.Orders/Buy",
        "send: host: localhost",
        "send: grpc-timeout: 1000000u",
        "send: via: 2 proxy",
        "answer: 200",
    ] {
        assert!(lines.iter().any(|told| told == line), "{line}: {lines:#?}");
    }
}

#[test]
fn a_body_is_as_long_as_it_was_asked_about_however_it_is_framed() {
    let length = |fields: &[_], body| {
        let lines = told(&Ask { body, ..ask(Method::POST, "/", fields) });
        assert_eq!(lines.last().map(String::as_str), Some("answer: 200"), "{lines:#?}");
        lines.iter().find_map(|line| line.strip_prefix("send: content-length: ").map(str::to_owned))
    };
    assert_eq!(length(&[], Some(1_000_000)).as_deref(), Some("1000000"));
    assert_eq!(length(&[("content-length", "5")], None).as_deref(), Some("5"));
    assert_eq!(length(&[("transfer-encoding", "chunked")], Some(100_000)), None);
    assert_eq!(length(&[("expect", "100-continue")], Some(5)).as_deref(), Some("5"));
}

#[test]
fn over_http2_a_request_says_all_that_it_was_given_and_no_more() {
    let twice = [("x-request-timeout", "2s"), ("x-request-timeout", "1s")];
    let lines = told(&Ask { http2: true, ..ask(Method::POST, "/", &twice) });
    let asked = "deadline: x-request-timeout asks 2s; x-request-timeout asks 1s; policy payment grants up to 3s: 1s";
    assert_eq!(lines[2], asked);
    assert!(!lines.iter().any(|line| line.starts_with("send: content-length: ")), "{lines:#?}");
}

#[test]
fn what_is_no_request_at_all_is_told() {
    let mut settings = settings();
    settings.limits.head_count = 3;
    let lines = told_by(&settings, &ask(Method::GET, "/", &[("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
    assert_eq!(lines, ["answer: 431: what came is no request, and no rule was asked"]);
}

#[test]
fn a_listener_decides_on_which_side_a_client_is() {
    let mut settings = settings();
    settings.proxy.forwarding.trust = "10.0.0.0/8".parse().unwrap();
    settings.listeners.push(crate::listen::Settings::new("unix:/run/a.sock".parse().unwrap()));
    let first = |from: &str, listener: &str| {
        let (from, listener) = (from.parse().ok(), listener.parse().ok());
        told_by(&settings, &Ask { from, listener, ..ask(Method::GET, "/", &[]) }).unwrap().swap_remove(0)
    };
    assert_eq!(first("10.0.0.7", "127.0.0.1:8080"), "client: 10.0.0.7: trusted");
    assert_eq!(first("192.0.2.1", "127.0.0.1:8080"), "client: 192.0.2.1: not trusted, inside");
    assert_eq!(first("", "unix:/run/a.sock"), "client: a Unix socket: not trusted, inside");
}

// R7
#[test]
fn what_a_stranger_at_the_edge_is_granted_is_told_as_it_is_granted() {
    let told = |strangers, line: &str| {
        let mut settings = settings().clone();
        settings.proxy = settings.proxy.policy(Policy::new().default_timeout(3 * SECOND).max(30 * SECOND));
        settings.listeners[0].side = Side::Edge(strangers);
        let lines = told_by(&settings, &ask(Method::GET, "/", &[("x-request-timeout", "9s")])).unwrap();
        assert!(lines.iter().any(|told| told == "send: x-request-timeout: 3000ms"), "{lines:#?}");
        assert!(lines.iter().any(|told| told == line), "{line}: {lines:#?}");
    };
    told(Strangers::Cap, "deadline: x-request-timeout asks 9s; policy default grants at most 3s: 3s");
    told(Strangers::Drop, "deadline: x-request-timeout is ignored: strangers at the edge cannot ask for time");
    told(Strangers::Drop, "deadline: no field asks for one; policy default gives its default: 3s");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let wrong = |ask: &Ask| {
        let error = told_by(&settings(), ask).unwrap_err();
        assert!(error.is_of_input(), "{error}");
        error.to_string()
    };
    let upgrade = Ask { http2: true, ..ask(Method::GET, "/", &[("connection", "close")]) };
    let told = "-H: connection is a field of HTTP/1.1; with --http2, none of one connection only is expected";
    assert_eq!(wrong(&upgrade), told);
    let te = Ask { http2: true, ..ask(Method::GET, "/", &[("te", "gzip")]) };
    assert!(wrong(&te).starts_with("-H: te is a field of HTTP/1.1; "));
    let elsewhere = Ask { listener: "127.0.0.1:1".parse().ok(), ..ask(Method::GET, "/", &[]) };
    assert!(wrong(&elsewhere).starts_with("--listener: nothing listens on 127.0.0.1:1; "));
    let mut settings = settings();
    settings.limits.head_bytes = 1;
    assert!(told_by(&settings, &ask(Method::GET, "/", &[])).is_err_and(|error| error.is_of_input()));
}
