//! The same over HTTP/2, frame by frame (RFC 9113 §8.2, §8.3; R35).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::witness::Witness;
use crate::support::{Proxy, soon};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

type Field = (&'static str, &'static str);

const GET: [Field; 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
const POST: [Field; 4] = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// Fields, and a body if there is one.
type Request = (Vec<Field>, Option<&'static str>);

/// A GET, with these fields too.
fn and(fields: &[Field]) -> Request {
    ([&GET, fields].concat(), None)
}

/// A GET with this in the place of one of its fields, which is left out where there is nothing.
fn but(name: &str, value: Option<&'static str>) -> Request {
    let fields = GET.into_iter().filter_map(|(of, was)| Some((of, if of == name { value? } else { was })));
    (fields.collect(), None)
}

/// A POST of `hello`.
fn hello(fields: &[Field]) -> Request {
    ([&POST, fields].concat(), Some("hello"))
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

/// Literals without indexing, in octets: whatever they are.
fn block(fields: &[Field]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// What came back on the stream, or ended it: `200`, `400 {document}`, `reset 1`, `goaway 1`.
async fn exchange(proxy: &Proxy, (fields, body): &Request) -> String {
    let mut stream = TcpStream::connect(proxy.address).await.expect("somebody listens");
    let ended = u8::from(body.is_none());
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, 0x4 | ended, 1, &block(fields)));
    bytes.extend(body.map(|body| frame(DATA, 1, 1, body.as_bytes())).unwrap_or_default());
    stream.write_all(&bytes).await.expect("the connection is open");
    soon("the end of a stream", outcome(&mut stream)).await
}

async fn outcome(stream: &mut TcpStream) -> String {
    let mut status = String::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let [_, high, low, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
        stream.read_exact(&mut payload).await.expect("a whole frame");
        match kind {
            RESET => return format!("reset {}", payload[3]),
            GOAWAY => return format!("goaway {}", payload[7]),
            // RFC 7541, appendix A.
            HEADERS if payload[0] == 0x88 => status = "200".to_owned(),
            HEADERS if payload[0] == 0x8c => status = "400".to_owned(),
            HEADERS => status = format!("{:#x}", payload[0]),
            DATA => status += &format!(" {}", String::from_utf8_lossy(&payload)),
            _ => continue,
        }
        if flags & 1 == 1 {
            return status;
        }
    }
}

#[tokio::test]
async fn what_is_malformed_is_reset() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let values = ["1\r\nx-b: 2", "1\n2", "1\0a", "1\u{1}2", "1\u{7f}2"].map(|value| and(&[("x-a", value)]));
    let names = ["X-A", "x:a", "x\r\ny", "", "x a", ":unknown", ":status", ":path"].map(|name| and(&[(name, "1")]));
    let connection = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection", "te"];
    let connection = connection.map(|name| and(&[(name, "chunked")]));
    let paths =
        ["", "x", "@b/c", "/a b", "/ HTTP/1.1\r\nx: y", "http://b/x", "/a\tb"].map(|path| but(":path", Some(path)));
    let authorities = ["", "a/b", "a b", "aé"].map(|authority| but(":authority", Some(authority)));
    let methods = ["GET / HTTP/1.1\r\n", "GE T"].map(|method| but(":method", Some(method)));
    let missing = [":method", ":scheme", ":path"].map(|name| but(name, None));
    let lengths = ["5, 5", "+5", "", "3", "9"].map(|length| hello(&[("content-length", length)]));
    let others = [
        hello(&[("content-length", "5"), ("content-length", "6")]),
        and(&[("content-length", "5")]),
        but(":scheme", Some("http://b/")),
        ([&[("x-a", "1")], &GET[..]].concat(), None),
    ];
    let heads = values.into_iter().chain(names).chain(connection).chain(paths).chain(authorities);
    for request in heads.chain(methods).chain(missing).chain(lengths).chain(others) {
        let outcome = exchange(&proxy, &request).await;
        assert!(["reset 1", "goaway 1"].contains(&&*outcome), "{request:?}: {outcome}");
    }
    upstream.assert_no_more();
}

// R35
#[tokio::test]
async fn what_h2_lets_through_and_has_two_readings_is_refused() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    for (detail, request) in [
        ("content-length: exactly one", hello(&[("content-length", "5"), ("content-length", "5")])),
        ("host: the same as :authority", and(&[("host", "b")])),
        ("host: exactly one", and(&[("host", "a"), ("host", "a")])),
        ("host: exactly one", but(":authority", None)),
        ("host: HOST or HOST:PORT", but(":authority", Some("u@a"))),
        ("host: HOST or HOST:PORT", but(":authority", Some("a,b"))),
        ("host: HOST or HOST:PORT", but(":authority", Some("a:99999"))),
        ("target: a path", but(":path", Some("*"))),
        ("target: http or https", but(":scheme", Some("ftp"))),
        ("a field looks like", and(&[("content_length", "5")])),
    ] {
        let outcome = exchange(&proxy, &request).await;
        assert!(outcome.starts_with("400 {") && outcome.contains(detail), "{request:?}: {outcome}");
    }
    upstream.assert_no_more();
}

#[tokio::test]
async fn the_rest_reaches_the_upstream_in_one_reading() {
    let mut upstream = Witness::start().await;
    let proxy = Proxy::to(upstream.address).await;
    let measured = "POST / HTTP/1.1 | host: a | content-length: 5 | hello";
    let chunked = "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | 5\r\nhello\r\n0\r\n\r\n";
    for (seen, request) in [
        (measured, hello(&[("content-length", "5")])),
        (chunked, hello(&[])),
        ("GET / HTTP/1.1 | host: a | ", and(&[("host", "A"), ("http2-settings", "x")])),
        ("GET / HTTP/1.1 | host: a | x-a: 1\t2 | ", and(&[("x-a", " 1\t2 ")])),
        ("GET /?b HTTP/1.1 | host: a | ", but(":path", Some("?b"))),
        ("GET /b HTTP/1.1 | host: a | ", but(":path", Some("/b#c"))),
        // h2 takes a target without a path, where it has no authority either, for `/`.
        ("GET / HTTP/1.1 | host: a | ", ([&GET[..2], &[("host", "a")]].concat(), None)),
    ] {
        assert_eq!(exchange(&proxy, &request).await, "200", "{request:?}");
        assert_eq!(upstream.message().await, seen, "{request:?}");
    }
    upstream.assert_no_more();
}
