//! The body of a request that is on its way.
//!
//! Covers its pieces, each written as it comes, with the head before the first of them. Dropping it leaves a message
//! that is not whole: its connection is of no more use.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::encode::{self, Framing};
use crate::upstream::lease::Sent;
use crate::upstream::outgoing::{BodyFault, Outgoing};

/// What ends a chunk.
const CHUNK_END: &[u8] = b"\r\n";
/// What ends the last one and the body.
const BODY_END: &[u8] = b"\r\n0\r\n\r\n";

/// Bytes that are to be written first.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    at: usize,
}

impl Out {
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// So many were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
        if self.at == self.bytes.len() {
            self.at = 0;
            self.bytes.clear();
        }
    }
}

/// Why the rest of a request is not sent.
#[derive(Debug)]
pub(in crate::upstream) enum Stopped {
    /// What the client sent of it broke off.
    Body(BodyFault),
    Write(io::Error),
}

#[derive(Debug)]
pub(in crate::upstream) struct Upload<B> {
    body: Outgoing<B>,
    framing: Framing,
    data: Bytes,
    tail: &'static [u8],
    is_begun: bool,
    is_ended: bool,
    /// The head has waited for the first piece.
    has_waited: bool,
}

impl<B: Sent> Upload<B> {
    pub(super) fn new(body: Outgoing<B>, framing: Framing) -> Self {
        Self { body, framing, data: Bytes::new(), tail: b"", is_begun: false, is_ended: false, has_waited: false }
    }

    /// The body as it was; `None` where something of it was taken.
    pub(in crate::upstream) fn untouched(self) -> Option<B> {
        (!self.is_begun).then(|| self.body.into_inner())
    }

    /// Writes what there is. Ready once all of it was written; `written` counts the bytes.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncWrite + Unpin),
        out: &mut Out,
        written: &mut u64,
    ) -> Poll<Result<(), Stopped>> {
        loop {
            // Before what is to be written, so that a head and the first piece go as one.
            let mut is_waiting = false;
            if self.data.is_empty() && self.tail.is_empty() && !self.is_ended {
                let frame = Pin::new(&mut self.body).poll_frame(cx);
                self.is_begun |= frame.is_ready();
                match frame {
                    Poll::Pending => is_waiting = true,
                    Poll::Ready(Some(Ok(frame))) => self.take(frame, out)?,
                    Poll::Ready(Some(Err(fault))) => return Poll::Ready(Err(Stopped::Body(fault))),
                    Poll::Ready(None) => self.end(out)?,
                }
            }
            // A body that has come with its head is there in the next turn: both go as one.
            if is_waiting && *written == 0 && !std::mem::replace(&mut self.has_waited, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(self.write(cx, io, out, written)).map_err(Stopped::Write)?;
            if is_waiting || self.is_ended {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(Stopped::Write)?;
                return if self.is_ended { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
        }
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncWrite + Unpin),
        out: &mut Out,
        written: &mut u64,
    ) -> Poll<io::Result<()>> {
        while !(out.rest().is_empty() && self.data.is_empty() && self.tail.is_empty()) {
            let parts = [IoSlice::new(out.rest()), IoSlice::new(&self.data), IoSlice::new(self.tail)];
            let count = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &parts))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count as u64;
            let of_out = count.min(out.rest().len());
            out.advance(of_out);
            let of_data = (count - of_out).min(self.data.len());
            self.data.advance(of_data);
            self.tail = &self.tail[count - of_out - of_data..];
        }
        // What was read goes as soon as it was written.
        self.data = Bytes::new();
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, frame: Frame<Bytes>, out: &mut Out) -> Result<(), Stopped> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                if let (Framing::Chunked(announced), Some(trailers)) = (&self.framing, frame.trailers_ref()) {
                    encode::trailers(&mut out.bytes, trailers, announced);
                    self.is_ended = true;
                    return Ok(());
                }
                return self.end(out);
            }
        };
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Chunked(_) => {
                encode::chunk(&mut out.bytes, data.len());
                self.is_ended = self.body.is_end_stream();
                self.tail = if self.is_ended { BODY_END } else { CHUNK_END };
            }
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or_else(|| wrong("more"))?;
                self.is_ended = *left == 0 && self.body.is_end_stream();
            }
            Framing::None => return Err(wrong("more")),
        }
        self.data = data;
        Ok(())
    }

    fn end(&mut self, out: &mut Out) -> Result<(), Stopped> {
        self.is_ended = true;
        match self.framing {
            Framing::Chunked(_) => out.bytes.extend_from_slice(b"0\r\n\r\n"),
            Framing::Length(1..) => return Err(wrong("less")),
            Framing::Length(0) | Framing::None => {}
        }
        Ok(())
    }
}

/// R35: what follows would be read as the next request.
fn wrong(what: &str) -> Stopped {
    Stopped::Body(BodyFault::new(format!("it has {what} than its content-length says")))
}
