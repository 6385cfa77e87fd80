//! How a request looks on the wire.
//!
//! Covers its head, and how the end of its body is told: by a length where there is one, else in chunks, whatever the
//! method (R14). The fields that say so are written here, and not taken from the request.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, MAX_FORWARDS,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body::Body;

/// Bytes of a field that are made room for.
const FIELD: usize = 40;

/// How the end of a body is told.
#[derive(Debug)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// So many bytes, as yet.
    Length(u64),
    /// With these trailers, as announced.
    Chunked(Vec<HeaderName>),
}

impl Framing {
    pub(super) fn of(headers: &HeaderMap, body: &impl Body) -> Self {
        if body.is_end_stream() {
            return Self::None;
        }
        match length(headers).or_else(|| body.size_hint().exact()) {
            Some(length) => Self::Length(length),
            None => Self::Chunked(announced(headers)),
        }
    }
}

/// What a message says of its length: all its lines, and all elements of each, say the same. `None` where nothing is
/// said, or what is no length.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    lines
        .next()
        .and_then(|first| lines.try_fold(said(None, first)?, |before, line| said(Some(before), line)))
}

/// What one line says of the length, as those before it did.
pub(super) fn said(mut before: Option<u64>, line: &HeaderValue) -> Option<u64> {
    for element in line.as_bytes().split(|byte| *byte == b',') {
        let length = digits(element.trim_ascii())?;
        if *before.get_or_insert(length) != length {
            return None;
        }
    }
    before
}

/// `u64::from_str` takes a sign.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(TRAILER).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// The head of a request.
pub(super) fn head(out: &mut Vec<u8>, method: &Method, uri: &Uri, headers: &HeaderMap, framing: &Framing) {
    out.reserve(64 + uri.path().len() + headers.len() * FIELD);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    if target.starts_with('?') {
        // `http://a?b` has no path, and a request has (RFC 9112 §3.2.1).
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut has_length = false;
    for (name, value) in headers {
        match *name {
            CONTENT_LENGTH => has_length = true,
            TRANSFER_ENCODING => {}
            _ => field(out, name, value),
        }
    }
    match framing {
        Framing::None if has_length => out.extend_from_slice(b"content-length: 0\r\n"),
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            number(out, *length, 10);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked(_) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The first line of a chunk of so many bytes.
pub(super) fn chunk(out: &mut Vec<u8>, size: usize) {
    number(out, size as u64, 16);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, mut number: u64, base: u64) {
    // As many as a `u64` has in base 10.
    let (mut text, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        #[expect(clippy::cast_possible_truncation, reason = "it is below 16")]
        let digit = (number % base) as u8;
        text[at] = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        number /= base;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// What follows the last chunk: those trailers that were announced, and may stand there.
pub(super) fn trailers(out: &mut Vec<u8>, trailers: &HeaderMap, announced: &[HeaderName]) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if announced.contains(name) && may_trail(name) {
            field(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 §6.5.1.
fn may_trail(name: &HeaderName) -> bool {
    ![
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TRAILER,
        TRANSFER_ENCODING,
        TE,
    ]
    .contains(name)
}
