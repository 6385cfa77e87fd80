//! HTTP/2 as bytes, for clients that keep to no rule of it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use super::soon;

/// What a client with prior knowledge says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `ENHANCE_YOUR_CALM`, as a code of `GOAWAY`.
pub(crate) const CALM: u32 = 11;
/// `REFUSED_STREAM`, as a code of `RST_STREAM`.
pub(crate) const REFUSED: u32 = 7;

/// One frame, as it stood on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a reset, or of the end of the connection.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("a code has four bytes"))
    }

    /// The status of an answer, where it is one that HPACK has a number for or that is written in digits.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.payload.first()? {
            0x88 => Some(200),
            0x8c => Some(400),
            0x8d => Some(404),
            _ => {
                let digits = self.payload.windows(3).find(|digits| digits.iter().all(u8::is_ascii_digit));
                digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The block of a request's head.
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    // `:scheme: http`, and an authority of one letter.
    let mut block = vec![0x86, 0x01, 0x01, b'a'];
    for (name, value) in [(0x02, method), (0x04, path)] {
        block.extend([name, u8::try_from(value.len()).expect("a value is short")]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A connection with prior knowledge, and what comes back on it.
pub(crate) struct RawH2 {
    writer: OwnedWriteHalf,
    reading: JoinHandle<Vec<Frame>>,
}

impl RawH2 {
    /// Says hello with these settings, and reads whatever comes.
    pub(crate) async fn connect(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.expect("somebody listens");
        let (reader, writer) = stream.into_split();
        let mut client = Self { writer, reading: tokio::spawn(frames(reader)) };
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        client.send(&hello).await;
        client
    }

    /// Whether all of it was taken.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        soon("a write", self.writer.write_all(bytes)).await.is_ok()
    }

    /// Everything that came, once the peer has closed the connection.
    pub(crate) async fn until_closed(self) -> Vec<Frame> {
        soon("the end of the connection", self.reading).await.expect("frames are read")
    }

    /// Everything that came until the peer closed the connection after we had closed our side.
    pub(crate) async fn close(mut self) -> Vec<Frame> {
        // The peer may have been the first.
        let _ = self.writer.shutdown().await;
        self.until_closed().await
    }
}

async fn frames(mut reader: OwnedReadHalf) -> Vec<Frame> {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    while matches!(reader.read_buf(&mut bytes).await, Ok(1..)) {
        while let Some((frame, length)) = split(&bytes) {
            frames.push(frame);
            bytes.drain(..length);
        }
    }
    frames
}

fn split(bytes: &[u8]) -> Option<(Frame, usize)> {
    let head: [u8; 9] = bytes.get(..9)?.try_into().ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let payload = bytes.get(9..9 + length)?.to_vec();
    Some((Frame { kind: head[3], stream, payload }, 9 + length))
}
