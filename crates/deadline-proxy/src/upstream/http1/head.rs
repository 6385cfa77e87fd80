//! The head of an answer, and where its body ends.

use std::cell::Cell;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::decode::Decoder;
use super::encode::said;
use super::error::Error;
use super::spare;

/// The most fields of a head.
pub(super) const FIELDS: usize = 100;

/// The most bytes of a head; hyper's bounds.
const SIZE: usize = 8192 + 4096 * 100;

/// Fields that layers add are given room for with the first ones.
const MORE: usize = 6;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) fields: HeaderMap,
    /// Where it is not the one that everybody uses.
    pub(super) reason: Option<ReasonPhrase>,
    /// Whether another exchange may follow.
    pub(super) is_kept: bool,
    pub(super) body: Decoder,
}

/// Where a name and a value stand.
type Span = [usize; 4];

thread_local! {
    /// Those of one head after the other.
    static SPANS: Cell<Vec<Span>> = const { Cell::new(Vec::new()) };
}

struct Line {
    size: usize,
    status: StatusCode,
    version: Version,
    reason: Option<ReasonPhrase>,
    fields: Vec<Span>,
}

/// Takes a head off the bytes that were read, once it is there. `seen` is how many of them were looked at before.
pub(super) fn take(read: &mut BytesMut, seen: &mut usize, method: &Method) -> Result<Option<Head>, Error> {
    if !may_end(read, *seen) {
        *seen = read.len();
        return if read.len() >= SIZE { Err(Error::Malformed("message head is too large")) } else { Ok(None) };
    }
    let Some(line) = parse(read)? else {
        *seen = read.len();
        return if read.len() >= SIZE { Err(Error::Malformed("message head is too large")) } else { Ok(None) };
    };
    *seen = 0;
    let bytes = read.split_to(line.size).freeze();
    let (mut fields, says) = fields(&bytes, &line.fields)?;
    SPANS.set(line.fields);
    let (status, version) = (line.status, line.version);
    let body = body(method, status, version, &fields, &says)?;
    let has_both = says.has_coding && says.has_length;
    if has_both {
        // R35: it has two readings. This is the one that everybody agrees on, and what follows is not believed.
        fields.remove(CONTENT_LENGTH);
    }
    if let Some(length) = says.length.filter(|_| says.is_repeated && !has_both) {
        // RFC 9110 §8.6: once is enough, and hyper writes no more.
        fields.insert(CONTENT_LENGTH, length.into());
    }
    let is_kept = says.keep(version) && !has_both && !body.is_to_the_end();
    Ok(Some(Head { status, version, fields, reason: line.reason, is_kept, body }))
}

/// Whether a head may have come to its end since the last time: a peer that sends byte by byte is not read anew each
/// time.
fn may_end(read: &[u8], seen: usize) -> bool {
    let from = seen.saturating_sub(3);
    seen == 0 || read[from..].windows(2).any(|two| two == b"\n\n" || two == b"\n\r")
}

fn parse(read: &[u8]) -> Result<Option<Line>, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    // Nothing is lenient: no folded lines, no blanks before a colon (R35).
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, read, &mut fields);
    let size = match parsed.map_err(malformed)? {
        Status::Partial => return Ok(None),
        Status::Complete(size) if size > SIZE => return Err(Error::Malformed("message head is too large")),
        Status::Complete(size) => size,
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Error::Malformed("invalid HTTP status-code parsed"))?;
    let reason = response.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    let version = if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let base = read.as_ptr() as usize;
    let span = |field: &httparse::Header<'_>| {
        let (name, value) = (field.name.as_ptr() as usize - base, field.value.as_ptr() as usize - base);
        [name, name + field.name.len(), value, value + field.value.len()]
    };
    let mut fields = SPANS.take();
    fields.clear();
    fields.extend(response.headers.iter().map(span));
    Ok(Some(Line { size, status, version, reason, fields }))
}

fn malformed(error: httparse::Error) -> Error {
    Error::Malformed(match error {
        httparse::Error::Version => "invalid HTTP version parsed",
        httparse::Error::Status => "invalid HTTP status-code parsed",
        httparse::Error::TooManyHeaders => "message head is too large",
        _ => "invalid HTTP header parsed",
    })
}

/// What fields say of the message itself, found as they are read.
#[derive(Debug, Default)]
struct Says {
    closes: bool,
    keeps: bool,
    has_length: bool,
    /// `None` where that is no length, or not the same in all lines.
    length: Option<u64>,
    /// Whether it is said more than once.
    is_repeated: bool,
    has_coding: bool,
}

impl Says {
    /// The length, where there is one.
    fn bounded(&self) -> Result<Option<u64>, Error> {
        match self.length {
            None if self.has_length => Err(Error::Malformed("invalid content-length parsed")),
            length => Ok(length),
        }
    }

    /// Another line of the length.
    fn length(&mut self, line: &HeaderValue) {
        let is_nonsense = self.has_length && self.length.is_none();
        self.is_repeated |= self.has_length || line.as_bytes().contains(&b',');
        self.length = if is_nonsense { None } else { said(self.length, line) };
        self.has_length = true;
    }

    fn keep(&self, version: Version) -> bool {
        !self.closes && (version == Version::HTTP_11 || self.keeps)
    }
}

/// The values are parts of these bytes: nothing is copied.
fn fields(bytes: &Bytes, spans: &[Span]) -> Result<(HeaderMap, Says), Error> {
    let (mut fields, mut says) = (spare::room(spans.len() + MORE), Says::default());
    let malformed = || Error::Malformed("invalid HTTP header parsed");
    for [name, name_end, value, value_end] in spans.iter().copied() {
        let name = HeaderName::from_bytes(&bytes[name..name_end]).map_err(|_| malformed())?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value..value_end)).map_err(|_| malformed())?;
        match name {
            CONNECTION => {
                says.closes |= has(&value, b"close");
                says.keeps |= has(&value, b"keep-alive");
            }
            CONTENT_LENGTH => says.length(&value),
            TRANSFER_ENCODING => says.has_coding = true,
            _ => {}
        }
        fields.append(name, value);
    }
    Ok((fields, says))
}

fn has(value: &HeaderValue, token: &[u8]) -> bool {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(token))
}

/// RFC 9112 §6.3.
fn body(
    method: &Method,
    status: StatusCode,
    version: Version,
    fields: &HeaderMap,
    says: &Says,
) -> Result<Decoder, Error> {
    if status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD
    {
        // R35: what it says goes on to the client, who may believe either.
        return if says.has_coding { Ok(Decoder::none()) } else { says.bounded().map(|_| Decoder::none()) };
    }
    if *method == Method::CONNECT && status.is_success() {
        // A tunnel: no other exchange follows.
        return Ok(Decoder::to_the_end());
    }
    if says.has_coding {
        return match version {
            Version::HTTP_10 => Err(Error::Malformed("unexpected transfer-encoding parsed")),
            _ if is_chunked(fields) => Ok(Decoder::chunked()),
            _ => Ok(Decoder::to_the_end()),
        };
    }
    Ok(says.bounded()?.map_or_else(Decoder::to_the_end, Decoder::length))
}

/// Whether `chunked` is the last coding.
fn is_chunked(fields: &HeaderMap) -> bool {
    let last = fields.get_all(TRANSFER_ENCODING).iter().next_back();
    let last = last.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}
