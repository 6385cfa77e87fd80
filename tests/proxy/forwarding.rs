//! What the upstream is told about who asked, by which hops and under which name, and what an answer is told.

mod answers;
mod loops;
mod start;

use http::HeaderMap;

use crate::support::{Head, Proxy, Upstream, curl};

/// What a client, or a proxy before us, says.
const SAID: [&str; 7] = [
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: www.example",
    "X-Forwarded-Port: 444",
    "X-Forwarded-Prefix: /shop",
    "X-Real-IP: 203.0.113.9",
    "Forwarded: for=203.0.113.9;proto=https",
];
const TRUST: [&str; 2] = ["--trust", "127.0.0.1"];

/// The values of a field, in their order.
fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().expect("a field is text").to_owned())
        .collect()
}

/// The one value of a field.
#[track_caller]
fn one(headers: &HeaderMap, name: &str) -> String {
    let mut lines = lines(headers, name);
    assert_eq!(lines.len(), 1, "{name}: {lines:?}");
    lines.remove(0)
}

fn is_uuid(id: &str) -> bool {
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What the upstream saw of a request with these fields, through a proxy with these arguments.
async fn seen(arguments: &[&str], fields: &[&str]) -> (Proxy, Head) {
    let mut upstream = Upstream::start().await;
    let proxy = Proxy::with(upstream.address, arguments).await;
    let fields = fields.iter().flat_map(|field| ["-H", field]);
    let url = proxy.url("/");
    let answer = curl(&fields.chain(["-H", "Host: shop.example", &url]).collect::<Vec<_>>()).await;
    assert_eq!((answer.exit, answer.status), (Some(0), 200));
    let head = upstream.request().await;
    (proxy, head)
}

/// `name: value` of every field that tells who asked, sorted.
fn told(head: &Head) -> Vec<String> {
    let about = |name: &str| name.contains("forwarded") || name == "x-real-ip";
    let fields = head.headers.iter().filter(|(name, _)| about(name.as_str()));
    let mut fields: Vec<_> = fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn what_a_stranger_says_of_others_is_removed_and_told_anew() {
    for fields in [&[][..], &SAID] {
        for trust in [&[][..], &["--trust", "10.0.0.0/8,::1,unix"]] {
            let (proxy, head) = seen(trust, fields).await;
            let port = format!("x-forwarded-port: {}", proxy.address.port());
            let made =
                ["x-forwarded-for: 127.0.0.1", "x-forwarded-host: shop.example", &port, "x-forwarded-proto: http"];
            assert_eq!(told(&head), made);
        }
    }
}

#[tokio::test]
async fn what_a_trusted_peer_says_is_kept_and_the_peer_is_added() {
    let (_proxy, head) = seen(&TRUST, &SAID).await;
    assert_eq!(
        told(&head),
        [
            "forwarded: for=203.0.113.9;proto=https",
            "x-forwarded-for: 203.0.113.9, 127.0.0.1",
            "x-forwarded-host: www.example",
            "x-forwarded-port: 444",
            "x-forwarded-prefix: /shop",
            "x-forwarded-proto: https",
            "x-real-ip: 203.0.113.9",
        ]
    );
}

#[tokio::test]
async fn each_choice_of_fields_is_written() {
    let names = |head: &Head| told(head).iter().map(|field| field.split(':').next().unwrap().to_owned()).collect();
    let x_forwarded = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];
    for (choice, written) in [
        ("x-forwarded", x_forwarded.to_vec()),
        ("forwarded", vec!["forwarded"]),
        ("both", [&["forwarded"][..], &x_forwarded].concat()),
        ("off", Vec::new()),
    ] {
        let (_proxy, head) = seen(&["--forwarded", choice], &SAID).await;
        let names: Vec<String> = names(&head);
        assert_eq!(names, written, "{choice}");
        if names.contains(&"forwarded".to_owned()) {
            let element = one(&head.headers, "forwarded");
            assert!(element.starts_with(r#"for="127.0.0.1:"#), "{element}");
            assert!(element.ends_with(r#"";proto=http;host=shop.example"#), "{element}");
        }
        let (_proxy, head) = seen(&[&["--forwarded", choice], &TRUST[..]].concat(), &SAID).await;
        let element = one(&head.headers, "forwarded");
        let added = element.starts_with(r#"for=203.0.113.9;proto=https, for="127.0.0.1:"#);
        assert_eq!(added, written.contains(&"forwarded"), "{choice}: {element}");
    }
}

#[tokio::test]
async fn both_directions_tell_by_which_hops_they_came_and_in_which_version() {
    for from in ["1.0", "1.1"] {
        let answer = format!("HTTP/{from} 200 OK\r\ncontent-length: 3\r\nvia: 1.1 deep\r\n\r\nok\n");
        let mut upstream = Upstream::answering(answer).await;
        for (arguments, name) in [(&[][..], "proxy"), (&["--hop", "edge"], "edge"), (&["--via", "front"], "front")] {
            let proxy = Proxy::with(upstream.address, arguments).await;
            for (version, number) in [("--http1.0", "1.0"), ("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
                let answer = curl(&[version, "-H", "Via: 1.0 fred", &proxy.url("/")]).await;
                assert_eq!((answer.exit, answer.status), (Some(0), 200), "{version}");
                let seen = lines(&upstream.request().await.headers, "via").join(", ");
                assert_eq!(seen, format!("1.0 fred, {number} {name}"));
                let told = lines(&answer.headers, "via").join(", ");
                assert_eq!(told, format!("1.1 deep, {from} {name}"), "{version}");
            }
        }
    }
}

#[tokio::test]
async fn an_id_is_made_unless_a_trusted_peer_gave_one() {
    let long = format!("X-Request-Id: {}", "x".repeat(129));
    let given = "X-Request-Id: 7b-A/9";
    for (arguments, fields, is_kept) in [
        (&[][..], &[][..], false),
        (&[], &[given], false),
        (&TRUST, &[given], true),
        (&TRUST, &[given, "Connection: X-Request-Id"], true),
        (&TRUST, &[], false),
        (&TRUST, &[given, "X-Request-Id: b"], false),
        (&TRUST, &["X-Request-Id: a b"], false),
        (&TRUST, &[&long], false),
    ] {
        let (_proxy, head) = seen(arguments, fields).await;
        let id = one(&head.headers, "x-request-id");
        assert!(if is_kept { id == "7b-A/9" } else { is_uuid(&id) }, "{arguments:?} {fields:?}: {id}");
    }
    let (_proxy, head) = seen(&["--no-request-id"], &[given]).await;
    assert_eq!(one(&head.headers, "x-request-id"), "7b-A/9");
    let (_proxy, head) = seen(&["--no-request-id"], &[]).await;
    assert!(!head.headers.contains_key("x-request-id"));
}
