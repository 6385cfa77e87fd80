//! HTTP/2 with as little as will do: frames are looked at, fields are not.
//!
//! Every call that has a message is answered alike, in one write for all that came in one read; one without a message is
//! held for ever. Covers settings, pings and the windows both ways. Does not cover what a proxy that works does not send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// How HTTP/2 begins, where it is known beforehand.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The head of a frame.
const HEAD: usize = 9;

/// Of all that a connection may send at first, and of a stream for ever: its answer fits.
const WINDOW: usize = 65_535;

/// How much is read before the other side is let send as much again.
const GIVEN_BACK: usize = 16 * 1024;

/// At most as many streams as anybody asks for (setting 3).
const SETTINGS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0x86, 0xa0];

/// `:status: 200`, `content-type: application/grpc`: a name of the static table, and a value in plain letters.
const FIELDS: &[u8] = b"\x88\x0f\x10\x10application/grpc";

/// A message of gRPC: not compressed, eight bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x08deadline";

/// `grpc-status: 0`, both in plain letters.
const TRAILERS: &[u8] = b"\0\x0bgrpc-status\x010";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SET: u8 = 4;
const PING: u8 = 6;
const MORE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Until the other side ends.
pub(crate) async fn serve(mut stream: TcpStream) -> Outcome {
    stream.read_exact(&mut [0; PREFACE.len()]).await?;
    stream.write_all(SETTINGS).await?;
    let mut answering = Answering { out: Vec::new(), may_send: WINDOW, waiting: Vec::new(), read: 0 };
    let mut bytes = vec![0; 256 * 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut bytes[filled..]).await? {
            0 => return Ok(()),
            read => filled += read,
        }
        let mut at = 0;
        while let Some(frame) = Frame::parse(&bytes[at..filled]) {
            at += HEAD + frame.body.len();
            answering.take(&frame);
        }
        bytes.copy_within(at..filled, 0);
        filled -= at;
        stream.write_all(&answering.out).await?;
        answering.out.clear();
    }
}

/// One frame.
#[derive(Debug, PartialEq)]
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Nothing where it has not come as a whole.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, ref id @ ..] = bytes.get(..HEAD)? else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(id.try_into().ok()?) & 0x7fff_ffff;
        Some(Self { kind, flags, stream, body: bytes.get(HEAD..HEAD + length)? })
    }
}

struct Answering {
    out: Vec<u8>,
    /// Bytes of messages that the other side takes.
    may_send: usize,
    /// Calls that it takes no answer to yet.
    waiting: Vec<u32>,
    /// Bytes of messages that were read, and not given back.
    read: usize,
}

impl Answering {
    fn take(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            DATA => {
                self.give_back(frame.body.len());
                if frame.flags & END_STREAM != 0 {
                    self.waiting.push(frame.stream);
                }
            }
            SET if frame.flags & ACK == 0 => self.frame(SET, ACK, 0, &[]),
            PING if frame.flags & ACK == 0 => self.frame(PING, ACK, 0, frame.body),
            MORE if frame.stream == 0 => {
                let more = frame.body.try_into().map_or(0, u32::from_be_bytes);
                self.may_send += more as usize;
            }
            _ => {}
        }
        while self.may_send >= MESSAGE.len() {
            let Some(stream) = self.waiting.pop() else { break };
            self.answer(stream);
        }
    }

    fn answer(&mut self, stream: u32) {
        self.may_send -= MESSAGE.len();
        self.frame(HEADERS, END_HEADERS, stream, FIELDS);
        self.frame(DATA, 0, stream, MESSAGE);
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, TRAILERS);
    }

    fn give_back(&mut self, read: usize) {
        self.read += read;
        if self.read >= GIVEN_BACK {
            // Far below what a frame can say.
            let read = u32::try_from(self.read).unwrap_or(0);
            self.frame(MORE, 0, 0, &read.to_be_bytes());
            self.read = 0;
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, body: &[u8]) {
        // None of ours is longer than a few bytes.
        let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
        self.out.extend_from_slice(&length[1..]);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(may_send: usize) -> Answering {
        Answering { out: Vec::new(), may_send, waiting: Vec::new(), read: 0 }
    }

    /// Kind, flags and stream of what was written.
    fn written(out: &[u8]) -> Vec<(u8, u8, u32)> {
        let (mut at, mut frames) = (0, Vec::new());
        while let Some(frame) = Frame::parse(&out[at..]) {
            at += HEAD + frame.body.len();
            frames.push((frame.kind, frame.flags, frame.stream));
        }
        assert_eq!(at, out.len());
        frames
    }

    #[test]
    fn a_frame_is_read_once_it_is_there_as_a_whole() {
        let bytes = [0, 0, 2, DATA, END_STREAM, 0x80, 0, 0, 3, b'a', b'b', 9];
        for cut in 0..11 {
            assert_eq!(Frame::parse(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(Frame::parse(&bytes), Some(Frame { kind: DATA, flags: END_STREAM, stream: 3, body: b"ab" }));
        assert_eq!(written(SETTINGS), [(SET, 0, 0)]);
    }

    #[test]
    fn a_call_is_answered_when_its_message_has_ended_and_one_without_never() {
        let mut answering = answering(WINDOW);
        answering.take(&Frame { kind: HEADERS, flags: END_HEADERS | END_STREAM, stream: 1, body: b"" });
        answering.take(&Frame { kind: HEADERS, flags: END_HEADERS, stream: 3, body: b"" });
        answering.take(&Frame { kind: DATA, flags: 0, stream: 3, body: b"a" });
        assert_eq!(answering.out, []);
        answering.take(&Frame { kind: DATA, flags: END_STREAM, stream: 3, body: b"" });
        assert_eq!(written(&answering.out), [(HEADERS, 4, 3), (DATA, 0, 3), (HEADERS, 5, 3)]);
    }

    #[test]
    fn an_answer_waits_until_the_other_side_takes_it() {
        let mut answering = answering(MESSAGE.len() - 1);
        answering.take(&Frame { kind: DATA, flags: END_STREAM, stream: 3, body: b"" });
        assert_eq!(answering.out, []);
        answering.take(&Frame { kind: MORE, flags: 0, stream: 0, body: &[0, 0, 0, 1] });
        assert_eq!((written(&answering.out).len(), answering.may_send), (3, 0));
    }

    #[test]
    fn what_was_read_is_given_back_and_pings_and_settings_are_answered() {
        let mut answering = answering(WINDOW);
        answering.take(&Frame { kind: SET, flags: 0, stream: 0, body: b"" });
        answering.take(&Frame { kind: PING, flags: 0, stream: 0, body: b"12345678" });
        answering.take(&Frame { kind: PING, flags: ACK, stream: 0, body: b"12345678" });
        answering.take(&Frame { kind: DATA, flags: 0, stream: 3, body: &[0; GIVEN_BACK] });
        assert_eq!(written(&answering.out), [(SET, ACK, 0), (PING, ACK, 0), (MORE, 0, 0)]);
    }
}
