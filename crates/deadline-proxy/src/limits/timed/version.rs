//! Which version of HTTP a client speaks, by its first bytes.

use tokio::io::ReadBuf;

/// With what a connection of HTTP/2 begins (RFC 9113 §3.4), and no request of HTTP/1.1.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1, HTTP/1.0, or what is none of HTTP.
    Http1,
    /// HTTP/2 with prior knowledge, or what TLS has agreed on.
    Http2,
}

/// The first bytes of a connection: looked at, and then read like all others.
#[derive(Debug, Default)]
pub(super) struct Hello {
    bytes: [u8; PREFACE.len()],
    length: usize,
    version: Option<Version>,
}

impl Hello {
    /// What is known by now.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// As many bytes can still tell something.
    pub(super) fn wanted(&self) -> usize {
        PREFACE.len() - self.length
    }

    /// These have come, at most as many as wanted; none at the end.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (before, after) = (self.length, self.length + bytes.len());
        self.bytes[before..after].copy_from_slice(bytes);
        self.length = after;
        if bytes.is_empty() || bytes != &PREFACE[before..after] {
            self.version = Some(Version::Http1);
        } else if after == PREFACE.len() {
            self.version = Some(Version::Http2);
        }
    }

    /// Gives them to who reads.
    pub(super) fn move_into(&mut self, buf: &mut ReadBuf<'_>) {
        let moved = self.length.min(buf.remaining());
        buf.put_slice(&self.bytes[..moved]);
        self.bytes.copy_within(moved..self.length, 0);
        self.length -= moved;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }
}
