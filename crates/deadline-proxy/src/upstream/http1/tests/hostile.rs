//! What a peer may say, and what is made of it.

use super::*;

/// What is made of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// This body, and another exchange may follow.
    Kept(&'static str),
    /// This body, and no other exchange.
    Last(&'static str),
    /// It is refused.
    Refused,
    /// It has not come to its end.
    Cut,
}

use Made::{Cut, Kept, Last, Refused};

/// Each with a status line before it.
pub(super) const CORPUS: &[(&str, Made)] = &[
    // Lengths.
    ("content-length: 2\r\n\r\nok", Kept("ok")),
    ("Content-Length:2\r\n\r\nok", Kept("ok")),
    ("content-length: 2, 2\r\n\r\nok", Kept("ok")),
    ("content-length: 2\r\ncontent-length: 2\r\n\r\nok", Kept("ok")),
    ("content-length: 0\r\n\r\n", Kept("")),
    ("content-length: 3\r\n\r\nok", Cut),
    ("content-length: 2\r\n\r\nokmore", Last("ok")),
    ("content-length: 2\r\ncontent-length: 3\r\n\r\nok", Refused),
    ("content-length: 2\r\ncontent-length: 3\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("content-length: x\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("content-length: 2, 3\r\n\r\nok", Refused),
    ("content-length: +2\r\n\r\nok", Refused),
    ("content-length: -2\r\n\r\nok", Refused),
    ("content-length: 2 2\r\n\r\nok", Refused),
    ("content-length: 0x2\r\n\r\nok", Refused),
    ("content-length:\r\n\r\nok", Refused),
    ("content-length: 2,\r\n\r\nok", Refused),
    ("content-length: 99999999999999999999\r\n\r\nok", Refused),
    ("content-length: 18446744073709551615\r\n\r\nok", Cut),
    // None, and the connection.
    ("\r\nto the end", Last("to the end")),
    ("connection: close\r\ncontent-length: 2\r\n\r\nok", Last("ok")),
    ("connection: x, Close\r\ncontent-length: 2\r\n\r\nok", Last("ok")),
    ("connection: close\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", Last("ok")),
    ("connection: keep-alive\r\ncontent-length: 2\r\n\r\nok", Kept("ok")),
    // Chunks.
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Kept("ok")),
    ("Transfer-Encoding: Chunked\r\n\r\n1\r\no\r\n01\r\nk\r\n000\r\n\r\n", Kept("ok")),
    ("transfer-encoding: chunked\r\n\r\n0\r\n\r\n", Kept("")),
    ("transfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", Kept("0123456789")),
    ("transfer-encoding: chunked\r\n\r\n2 \t;a=b;c=\"d\"\r\nok\r\n0;x\r\n\r\n", Kept("ok")),
    ("transfer-encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", Kept("ok")),
    ("transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Kept("ok")),
    ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Kept("ok")),
    ("transfer-encoding: chunked, gzip\r\n\r\nok", Last("ok")),
    ("transfer-encoding: xchunked\r\n\r\nok", Last("ok")),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore", Last("ok")),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", Cut),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Cut),
    ("transfer-encoding: chunked\r\n\r\n3\r\nok", Cut),
    ("transfer-encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n 2\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2 2\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2\r\nokk\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2;a\rb\r\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2;a\nok\r\n0\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nok", Cut),
    ("transfer-encoding: chunked\r\n\r\n10000000000000000\r\nok", Refused),
    ("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nok", Refused),
    // Trailers.
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: 1\r\ny: 2\r\n\r\n", Kept("ok")),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: 1\r\n", Cut),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx : 1\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: 1\r\n y\r\n\r\n", Refused),
    ("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: 1\n\nHTTP/1.1 200 OK\r\n\r\n", Refused),
    // R35: two readings. The length is dropped, and nothing that follows is believed.
    ("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Last("ok")),
    ("transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n2\r\nok\r\n0\r\n\r\n", Last("ok")),
    // Fields.
    ("x: 1\r\n 2\r\ncontent-length: 2\r\n\r\nok", Refused),
    (" x: 1\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("x : 1\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("x\r\ncontent-length: 2\r\n\r\nok", Refused),
    (": 1\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("x: 1\r2\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("x: \u{0}\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("x: \u{7f}\r\ncontent-length: 2\r\n\r\nok", Refused),
    ("content-length: 2\n\nok", Kept("ok")),
];

pub(super) fn text(rest: &str) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", rest.as_bytes()].concat()
}

// R33, R34, R35
#[test]
fn what_a_peer_says_has_one_reading_or_none() {
    for (rest, made) in CORPUS {
        let read = whole(&text(rest));
        match (made, &read) {
            (Kept(body), Ok(read)) if read.is_kept => assert_eq!(read.body, body.as_bytes(), "{rest:?}"),
            (Last(body), Ok(read)) if !read.is_kept => assert_eq!(read.body, body.as_bytes(), "{rest:?}"),
            (Cut, Err(error)) => assert_eq!(error, "connection closed before message completed", "{rest:?}"),
            (Refused, Err(error)) => assert_ne!(error, "connection closed before message completed", "{rest:?}"),
            _ => panic!("{rest:?}: {made:?}, but {read:?}"),
        }
    }
}

#[test]
fn a_length_beside_chunks_goes_no_further() {
    let read = whole(&text("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")).unwrap();
    assert!(!read.fields.contains_key("content-length"));
}

#[test]
fn a_status_says_whether_there_is_a_body() {
    let kept = |method: &Method, status: &str| {
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n");
        read(method, [text.as_bytes()]).is_ok_and(|read| read.is_kept && read.body.is_empty())
    };
    assert!(kept(&Method::GET, "204 No Content") && kept(&Method::GET, "304 Not Modified"));
    assert!(kept(&Method::HEAD, "200 OK") && kept(&Method::GET, "101 Switching Protocols"));
    assert!(!kept(&Method::GET, "200 OK") && !kept(&Method::POST, "404 Not Found"));
}

// R35
#[test]
fn an_answer_without_a_body_has_no_two_lengths_either() {
    for (method, status) in
        [(Method::HEAD, "200 OK"), (Method::GET, "204 No Content"), (Method::GET, "304 Not Modified")]
    {
        let kept = |length: &str| {
            let text = format!("HTTP/1.1 {status}\r\n{length}\r\n\r\n");
            let read = read(&method, [text.as_bytes()])?;
            Ok::<_, String>(read.fields.get_all("content-length").iter().eq(["5"]) && read.is_kept)
        };
        for same in ["content-length: 5", "content-length: 5\r\ncontent-length: 5", "content-length: 5, 5"] {
            assert_eq!(kept(same), Ok(true), "{method} {status} {same}: said once");
        }
        for two in ["content-length: 5\r\ncontent-length: 6", "content-length: 5, 6", "content-length: +5"] {
            assert!(kept(two).is_err(), "{method} {status} {two}");
        }
    }
}

/// RFC 9112 §6.3: what follows is a tunnel, whatever the fields say.
#[test]
fn nothing_follows_a_tunnel() {
    let made = |status: &str| {
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        read(&Method::CONNECT, [text.as_bytes()]).unwrap().is_kept
    };
    assert!(!made("200 OK") && made("407 Proxy Authentication Required"));
}

#[test]
fn a_version_that_is_not_spoken_is_refused_and_an_old_one_is_not_kept() {
    let made = |line: &str| whole(format!("{line}\r\ncontent-length: 2\r\n\r\nok").as_bytes());
    assert!(!made("HTTP/1.0 200 OK").unwrap().is_kept);
    assert!(made("HTTP/1.0 200 OK\r\nconnection: keep-alive").unwrap().is_kept);
    for bad in
        ["HTTP/2 200 OK", "HTTP/1.2 200 OK", "http/1.1 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "ICY 200 OK"]
    {
        assert!(made(bad).is_err(), "{bad}");
    }
    assert!(made("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked").is_err());
}

#[test]
fn interim_answers_come_before() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let read = whole(text).unwrap();
    assert_eq!((read.status, &*read.body, read.fields.len()), (StatusCode::OK, &b"ok"[..], 1));
}

#[test]
fn all_that_is_read_is_bounded() {
    let fields = |count| "x: 1\r\n".repeat(count);
    let made = |rest: &str| whole(&text(rest));
    assert!(made(&format!("{}content-length: 2\r\n\r\nok", fields(99))).is_ok());
    assert!(made(&format!("{}content-length: 2\r\n\r\nok", fields(100))).is_err());
    assert!(made(&format!("x: {}\r\ncontent-length: 2\r\n\r\nok", "a".repeat(400_000))).is_ok());
    assert!(made(&format!("x: {}\r\ncontent-length: 2\r\n\r\nok", "a".repeat(420_000))).is_err());
    assert!(made(&format!("x: {}", "a".repeat(420_000))).unwrap_err().contains("too large"));
    let chunked = |rest: &str| made(&format!("transfer-encoding: chunked\r\n\r\n{rest}"));
    let extended = |size| format!("1;{}\r\na\r\n", "x".repeat(size));
    assert!(chunked(&format!("{}0\r\n\r\n", extended(16_000))).is_ok());
    assert!(chunked(&format!("{}0\r\n\r\n", extended(17_000))).is_err());
    assert!(chunked(&format!("{}0\r\n\r\n", extended(400).repeat(42))).is_err());
    assert!(chunked(&format!("1;{}", "x".repeat(17_000))).unwrap_err().contains("limit"));
    assert!(chunked(&format!("0\r\nx: {}\r\n\r\n", "a".repeat(16_000))).is_ok());
    assert!(chunked(&format!("0\r\nx: {}\r\n\r\n", "a".repeat(17_000))).is_err());
    assert!(chunked(&format!("0\r\nx: {}", "a".repeat(17_000))).unwrap_err().contains("limit"));
    assert!(chunked(&format!("0\r\n{}\r\n", fields(101))).is_err());
}
