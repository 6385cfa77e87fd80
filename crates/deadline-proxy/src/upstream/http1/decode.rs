//! The body of an answer: bytes in, pieces out.
//!
//! Covers where it ends (RFC 9112 §6.3). Knows no I/O: what comes out is the same however the bytes come in.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::SizeHint;

use super::chunked::Chunked;
use super::error::Error;

/// What there is of a body just now.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing before more is read.
    More,
    /// It is whole.
    End,
}

/// How far a body was read.
#[derive(Debug)]
pub(super) enum Decoder {
    /// So many bytes are yet to come.
    Length(u64),
    Chunked(Chunked),
    /// The peer closes behind it.
    ToTheEnd,
}

impl Decoder {
    pub(super) fn none() -> Self {
        Self::Length(0)
    }

    pub(super) fn length(length: u64) -> Self {
        Self::Length(length)
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked::default())
    }

    pub(super) fn to_the_end() -> Self {
        Self::ToTheEnd
    }

    /// Takes the next piece off the bytes that were read.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, Error> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => Ok(take(read, left)),
            Self::Chunked(chunked) => chunked.next(read),
            Self::ToTheEnd if read.is_empty() => Ok(Piece::More),
            Self::ToTheEnd => Ok(Piece::Data(read.split().freeze())),
        }
    }

    /// The peer has closed.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::ToTheEnd | Self::Length(0) => {
                *self = Self::Length(0);
                Ok(())
            }
            Self::Chunked(chunked) if chunked.is_ended() => Ok(()),
            // R34: what breaks off is not whole.
            _ => Err(Error::Incomplete),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_ended(),
            Self::ToTheEnd => false,
        }
    }

    /// Whether only the end of the connection ends it.
    pub(super) fn is_to_the_end(&self) -> bool {
        matches!(self, Self::ToTheEnd)
    }

    pub(super) fn hint(&self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Chunked(_) | Self::ToTheEnd => SizeHint::default(),
        }
    }

    /// How many bytes can be read at once without reading beyond what is known to come.
    pub(super) fn wanted(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(chunked) => chunked.left(),
            Self::ToTheEnd => None,
        }
    }
}

/// Bytes that are there, of so many that are to come.
pub(super) fn take(read: &mut BytesMut, left: &mut u64) -> Piece {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    if count == 0 {
        return Piece::More;
    }
    *left -= count as u64;
    let data = if count == read.len() { read.split() } else { read.split_to(count) };
    Piece::Data(data.freeze())
}
