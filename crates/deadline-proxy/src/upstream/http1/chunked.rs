//! A body in chunks (RFC 9112 §7.1).
//!
//! Strict where it matters (R35): lines end with CR LF, a size is of hexadecimal digits, and what is bounded is bounded
//! over the whole body. Extensions are read and dropped.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use super::decode::{Piece, take};
use super::error::Error;
use super::head::FIELDS;

/// The most bytes of extensions, over the whole body; hyper's bound.
const EXTENSIONS: usize = 16 * 1024;

/// The most bytes of trailers.
const TRAILERS: usize = 16 * 1024;

/// Digits of the largest size that can be. Leading zeros count.
const DIGITS: usize = 16;

/// How far a body in chunks was read.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of extensions so far.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

impl Chunked {
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, Error> {
        loop {
            match &mut self.state {
                State::Size => match self.size(read)? {
                    Some(0) => self.state = State::Trailers,
                    Some(size) => self.state = State::Data(size),
                    None => return Ok(Piece::More),
                },
                State::Data(left) => {
                    let piece = take(read, left);
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok(piece);
                }
                State::DataEnd => match read.get(..2) {
                    Some(b"\r\n") => {
                        read.advance(2);
                        self.state = State::Size;
                    }
                    Some(_) => return Err(Error::Malformed("invalid end of a chunk")),
                    None => return Ok(Piece::More),
                },
                State::Trailers => return self.trailers(read),
                State::Ended => return Ok(Piece::End),
            }
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What is left of the chunk that is read.
    pub(super) fn left(&self) -> Option<u64> {
        match self.state {
            State::Data(left) => Some(left),
            _ => None,
        }
    }

    /// The line before a chunk, once it is there.
    fn size(&mut self, read: &mut BytesMut) -> Result<Option<u64>, Error> {
        let most = DIGITS + EXTENSIONS - self.extensions + 2;
        let end = read.iter().take(most).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            let is_long = read.len() >= most;
            return if is_long { Err(Error::Malformed("chunk extensions over limit")) } else { Ok(None) };
        };
        let line = read[..end].strip_suffix(b"\r").ok_or(Error::Malformed("invalid chunk size line"))?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let size = size.filter(|_| digits.len() <= DIGITS).ok_or(Error::Malformed("invalid chunk size"))?;
        if !is_extension(extension) {
            return Err(Error::Malformed("invalid chunk size line"));
        }
        self.extensions += extension.len();
        if self.extensions > EXTENSIONS {
            return Err(Error::Malformed("chunk extensions over limit"));
        }
        read.advance(end + 1);
        Ok(Some(size))
    }

    fn trailers(&mut self, read: &mut BytesMut) -> Result<Piece, Error> {
        if read.starts_with(b"\r\n") {
            read.advance(2);
            self.state = State::Ended;
            return Ok(Piece::End);
        }
        let end = read.windows(4).take(TRAILERS).position(|four| four == b"\r\n\r\n");
        let Some(end) = end.map(|end| end + 4) else {
            let is_long = read.len() >= TRAILERS + 4;
            return if is_long { Err(Error::Malformed("chunk trailers over limit")) } else { Ok(Piece::More) };
        };
        let trailers = fields(&read[..end])?;
        read.advance(end);
        self.state = State::Ended;
        Ok(Piece::Trailers(trailers))
    }
}

/// What may follow a size: nothing, blanks, or an extension, in which no line ends.
fn is_extension(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    first.is_none_or(|first| *first == b';') && !text.contains(&b'\r')
}

fn fields(bytes: &[u8]) -> Result<HeaderMap, Error> {
    let malformed = || Error::Malformed("invalid trailer parsed");
    let mut found = vec![httparse::EMPTY_HEADER; FIELDS];
    let Ok(Status::Complete((size, fields))) = httparse::parse_headers(bytes, &mut found) else {
        return Err(malformed());
    };
    // Two line ends of another kind would end them before.
    if size != bytes.len() {
        return Err(malformed());
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| malformed())?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| malformed())?);
    }
    Ok(trailers)
}
